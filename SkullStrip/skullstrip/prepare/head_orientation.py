"""Whether the brain that was found lies as its header says, judged by its shape.

A header can be lost, or lie. Length, width and height of a brain, where it is broad and where its
stem leaves it, are its moments of second and third order; how they vary among people is in
`brain_shape`. Turned in 24 ways, the shape is compared with that. Intensities play no part, so any
contrast will do. A brain's two sides are alike: a mirrored head cannot be told from a right one.
"""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from scipy import ndimage

from ..grid.orientation import Orientation
from ..grid.regions import largest_component
from ..grid.resample import resample
from .brain_moments import EXPONENTS, MEAN, PRECISION

GRID_MM = 6.0
# How much better another way must fit, in squared standard deviations. Real heads that lie right
# fit every other way worse; lying wrong, they fit another by 25 or more (docs/input_checks.md).
LEAST_GAIN = 10.0
UPRIGHT = Orientation((0, 1, 2), (False, False, False))


def turns() -> list[Orientation]:
    """Return the 24 ways to turn an array without mirroring it; the first leaves it."""
    every = (
        Orientation(axes, flipped)  # type: ignore[arg-type]
        for axes in permutations(range(3))
        for flipped in product((False, True), repeat=3)
    )
    return [turn for turn in every if _parity(turn) > 0]


def turn_to_upright(brain: np.ndarray, spacing_mm: np.ndarray) -> Orientation:
    """Return how a brain must be turned to lie as brains do.

    Parameters
    ----------
    brain : ndarray of bool, shape (X, Y, Z)
        Axes that should run right, anterior and superior.
    spacing_mm : ndarray, shape (3,)

    Returns
    -------
    Orientation
        `UPRIGHT` where no other way fits clearly better.
    """
    moments = brain_moments(brain, spacing_mm)
    if moments is None:
        return UPRIGHT
    ways = turns()
    misfits = [misfit(turned_moments(moments, turn)) for turn in ways]
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


def misfit(moments: np.ndarray) -> float:
    """Squared Mahalanobis distance to the brains of `brain_shape`."""
    difference = moments - MEAN
    return float(difference @ PRECISION @ difference)


def _parity(turn: Orientation) -> float:
    return float(np.linalg.det(np.eye(3)[list(turn.axes)])) * (-1) ** sum(turn.flipped)
