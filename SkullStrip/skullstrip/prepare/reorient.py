"""Notice a head that lies another way than its header says, and turn it when asked to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..checks.input_checks import Check
from ..grid.orientation import Orientation, orientation_codes
from ..network.brain_region import BrainRegion
from .head_orientation import UPRIGHT, turn_to_upright
from .preprocess import Prepared, turned

Look = Callable[[np.ndarray], BrainRegion | None]
# A wrong-way head's brain is found less well, so the first turn may be the wrong one; two were
# enough for 37 real heads turned in 24 ways.
MOST_TURNS = 2


def find_upright(
    prepared: Prepared, look: Look, reorient: bool = False
) -> tuple[Prepared, BrainRegion | None, tuple[Check, ...]]:
    """Find the brain's region, and the way the head lies.

    Parameters
    ----------
    prepared : Prepared
        On the axes that the header names.
    look : callable
        Finds the brain's region in a head of shape (X, Y, Z).
    reorient : bool
        Turn a head that lies another way than the header says.

    Returns
    -------
    prepared : Prepared
        As given, or turned; `restore` leads to the input's grid from either.
    region : BrainRegion or None
        Of the head in it.
    checks : tuple of Check
        A warning where the head lies another way.
    """
    region = look(prepared.head)
    turn = _turn(region, prepared)
    if turn == UPRIGHT:
        return prepared, region, ()
    upright = turned(prepared, turn)
    if not reorient:
        return prepared, region, (_warning(prepared, upright, "'reorient' would turn it"),)
    for _ in range(MOST_TURNS - 1):
        region = look(upright.head)
        turn = _turn(region, upright)
        if turn == UPRIGHT:
            break
        upright = turned(upright, turn)
    else:
        region = look(upright.head)
    return upright, region, (_warning(prepared, upright, "it was turned for the network alone"),)


def _turn(region: BrainRegion | None, prepared: Prepared) -> Orientation:
    if region is None:
        return UPRIGHT
    return turn_to_upright(region.blocks, np.array(region.block) * prepared.spacing_mm)


def _warning(header: Prepared, upright: Prepared, consequence: str) -> Check:
    said, seen = (orientation_codes(each.orientation) for each in (header, upright))
    message = (
        f"The head lies as if the image's axes ran {seen}, not {said} as its header says (left and "
        f"right cannot be told apart); check the header; {consequence}."
    )
    return Check("orientation_unlikely", "warn", message)
