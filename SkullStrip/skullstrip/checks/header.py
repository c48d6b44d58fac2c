"""What a header says about space, held against itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..grid.volume import spacing_of
from .input_checks import MAX_EXTENT_MM, MIN_EXTENT_MM, Check, by_axis

# Headers hold float32, and some programs round to 0.001 mm; more than this is a contradiction.
SPACING_TOLERANCE = 0.01
POSITION_TOLERANCE_MM = 2.0  # of corners, which small errors of a quaternion move most
NO_ORIENTATION = Check(
    "no_orientation",
    "note",
    "The header names no orientation, so axes are assumed to run left, anterior and superior; "
    "check left and right.",
)


def space_checks(
    unit: tuple[str, float],
    stated: np.ndarray,
    affine: np.ndarray,
    second: np.ndarray | None,
    shape: tuple[int, ...],
) -> tuple[np.ndarray, tuple[Check, ...]]:
    """Return an affine in mm, and where its header is at odds with itself.

    Affine, stated spacing, shape (3,), and the affine of a second place, if there is one, are in
    the header's unit: its name, and how many mm it has. It is believed where it makes a head of the
    image, since some programs write units at random beside an affine in mm.
    """
    name, unit_mm = unit
    extent = spacing_of(affine) * shape[:3]
    checks = []
    if unit_mm != 1.0 and _is_head_sized(extent * unit_mm):
        message = f"The header is in units of {name}; the affine was converted to mm."
        checks.append(Check("units_converted", "note", message))
    elif unit_mm != 1.0 and _is_head_sized(extent):
        message = f"The header names units of {name}, which make no head; mm were assumed."
        checks.append(Check("units_unlikely", "warn", message))
        unit_mm = 1.0
    # What no unit makes a head is refused by the check of the field of view.
    in_mm = np.diag([unit_mm, unit_mm, unit_mm, 1.0])
    checks += _spacing_checks(np.abs(stated) * unit_mm, spacing_of(affine) * unit_mm)
    if second is not None:
        checks += _position_checks(in_mm @ (affine - second), shape)
    return in_mm @ affine, tuple(checks)


def _is_head_sized(extent_mm: np.ndarray) -> bool:
    return bool(extent_mm.min() >= MIN_EXTENT_MM and extent_mm.max() <= MAX_EXTENT_MM)


def _spacing_checks(stated_mm: np.ndarray, affine_mm: np.ndarray) -> Iterator[Check]:
    if not (np.isfinite(stated_mm).all() and np.isfinite(affine_mm).all()):
        return
    if not np.allclose(stated_mm, affine_mm, rtol=SPACING_TOLERANCE):
        message = (
            f"The header gives a spacing of {by_axis(stated_mm)} mm, but its affine one of "
            f"{by_axis(affine_mm)} mm, which was used; check the volume."
        )
        yield Check("spacing_disagrees", "warn", message)


def _position_checks(difference: np.ndarray, shape: tuple[int, ...]) -> Iterator[Check]:
    corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)]) * [*shape[:3], 1]
    apart_mm = np.linalg.norm(corners @ difference.T, axis=1).max()
    if apart_mm > POSITION_TOLERANCE_MM:
        message = (
            f"The header places the scan twice, by sform and by qform, up to {apart_mm:.0f} mm "
            "apart; the sform was used, so check left and right if it is not the one you mean."
        )
        yield Check("positions_disagree", "note", message)
