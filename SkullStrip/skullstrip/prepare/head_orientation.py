"""Notice a head that lies another way than its header says, and turn it when asked to.

A header can be lost, or lie. Length, width and height of a brain, where it is broad and where its
stem leaves it, are its moments of second and third order; how they vary among people is in
`brain_moments`. Turned in 24 ways, the shape is compared with that. Intensities play no part, so
any contrast will do. A brain's two sides are alike: a mirrored head cannot be told from others.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product

import numpy as np
from scipy import ndimage

from ..checks.input_checks import Check
from ..grid.orientation import Orientation
from ..grid.regions import largest_component
from ..grid.resample import resample
from ..network.brain_region import BrainRegion
from .brain_moments import MEAN, PRECISION
from .preprocess import Prepared, turned

# Powers of the three coordinates in each moment of second and third order.
EXPONENTS = tuple(
    powers
    for order in (2, 3)
    for powers in product(range(order + 1), repeat=3)
    if sum(powers) == order
)
GRID_MM = 6.0
# How much better another way must fit, in squared standard deviations. Real heads that lie right
# fit every other way worse; lying wrong, they fit another by 25 or more (docs/input_checks.md).
LEAST_GAIN = 10.0
UPRIGHT = Orientation((0, 1, 2), (False, False, False))

Look = Callable[[np.ndarray], BrainRegion | None]


def find_upright(
    prepared: Prepared, look: Look, reorient: bool = False
) -> tuple[Prepared, BrainRegion | None, tuple[Check, ...]]:
    """Find the brain's region, and the way the head lies; with `reorient` a wrong one is turned.

    The head is `prepared` on the axes that the header names, and `look` finds the brain's region in
    one of shape (X, Y, Z). Returned are what was prepared, as it was or turned (`restore` leads to
    the input's grid from either), the region of the head in it, and a warning where the head lies
    another way than its header says.
    """
    region = look(prepared.head)
    turn = _turn(region, prepared)
    if turn == UPRIGHT:
        return prepared, region, ()
    upright = turned(prepared, turn)
    if not reorient:
        return prepared, region, (_warning(prepared, upright, "'reorient' would turn it"),)
    # A wrong-way head's brain is found less well, so the first turn may be the wrong one; two were
    # enough for 37 real heads turned in 24 ways.
    region = look(upright.head)
    if (turn := _turn(region, upright)) != UPRIGHT:
        upright = turned(upright, turn)
        region = look(upright.head)
    return upright, region, (_warning(prepared, upright, "it was turned for the network alone"),)


def _turn(region: BrainRegion | None, prepared: Prepared) -> Orientation:
    if region is None:
        return UPRIGHT
    return turn_to_upright(region.blocks, np.array(region.block) * prepared.spacing_mm)


def _warning(header: Prepared, upright: Prepared, consequence: str) -> Check:
    said, seen = (each.orientation.codes for each in (header, upright))
    message = (
        f"The head lies as if the image's axes ran {seen}, not {said} as its header says (left and "
        f"right cannot be told apart); check the header; {consequence}."
    )
    return Check("orientation_unlikely", "warn", message)


def turns() -> list[Orientation]:
    """Return the 24 ways to turn an array without mirroring it; the first leaves it."""
    every = (
        Orientation(axes, flipped)  # type: ignore[arg-type]
        for axes in permutations(range(3))
        for flipped in product((False, True), repeat=3)
    )
    return [
        turn
        for turn in every
        if np.linalg.det(np.eye(3)[list(turn.axes)]) * (-1) ** sum(turn.flipped) > 0
    ]


def turn_to_upright(brain: np.ndarray, spacing_mm: np.ndarray) -> Orientation:
    """Return how a brain must be turned to lie as brains do.

    Its axes (X, Y, Z) should run right, anterior and superior; `UPRIGHT` where no other way fits
    clearly better.
    """
    moments = brain_moments(brain, spacing_mm)
    if moments is None:
        return UPRIGHT
    ways = turns()
    apart = np.array([turned_moments(moments, turn) - MEAN for turn in ways])
    misfits = ((apart @ PRECISION) * apart).sum(axis=1)  # squared Mahalanobis distances
    best = int(np.argmin(misfits))
    return ways[best] if misfits[0] - misfits[best] > LEAST_GAIN else UPRIGHT


def brain_moments(brain: np.ndarray, spacing_mm: np.ndarray) -> dict[tuple[int, ...], float] | None:
    """Central moments of a brain of volume 1, by exponents; None where too little is solid.

    What hangs on the brain by a thread, a piece of neck or scalp, is cut off before.
    """
    coarse = resample(brain.astype(np.float32), spacing_mm, np.full(3, GRID_MM)) >= 0.5
    solid = largest_component(ndimage.binary_opening(coarse))
    if not solid.any():
        return None
    positions = np.argwhere(solid) / np.cbrt(np.count_nonzero(solid))
    positions -= positions.mean(axis=0)
    powers = [np.stack([axis**power for power in range(4)]) for axis in positions.T]
    return {
        (i, j, k): float(np.mean(powers[0][i] * powers[1][j] * powers[2][k]))
        for i, j, k in EXPONENTS
    }


def turned_moments(moments: dict[tuple[int, ...], float], turn: Orientation) -> np.ndarray:
    """Moments of the turned brain, in the order of `EXPONENTS`."""
    values = []
    for exponents in EXPONENTS:
        before = [0, 0, 0]
        sign = 1
        for axis, flip, power in zip(turn.axes, turn.flipped, exponents, strict=True):
            before[axis] = power
            sign *= -1 if flip and power % 2 else 1
        values.append(sign * moments[tuple(before)])
    return np.array(values)
