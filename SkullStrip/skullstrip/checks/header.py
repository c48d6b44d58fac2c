"""What a header says about space, held against itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..grid.volume import spacing_of
from .input_checks import MAX_EXTENT_MM, MIN_EXTENT_MM, Check, by_axis

# Headers hold float32, and some programs round to 0.001 mm; more than this is a contradiction.
SPACING_TOLERANCE = 0.01
POSITION_TOLERANCE_MM = 2.0  # of corners, which small errors of a quaternion move most
MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}


def spacing_checks(header_mm: np.ndarray, affine: np.ndarray) -> Iterator[Check]:
    """Warn where the header's spacing, shape (3,), is not the affine's, whose one is used."""
    affine_mm = spacing_of(affine)
    stated = np.abs(header_mm[:3])
    if not (np.isfinite(stated).all() and np.isfinite(affine_mm).all()):
        return
    if np.allclose(stated, affine_mm, rtol=SPACING_TOLERANCE):
        return
    message = (
        f"The header gives a spacing of {by_axis(stated)} mm, but its affine one of "
        f"{by_axis(affine_mm)} mm, which was used; check the volume."
    )
    yield Check("spacing_disagrees", "warn", message)


def position_checks(
    sform: np.ndarray, qform: np.ndarray, shape: tuple[int, ...], factor: float = 1.0
) -> Iterator[Check]:
    """Note where NIfTI's two affines put the scan in two places, of which one is used.

    They lead to RAS+ in the header's unit, of which `factor` makes mm.
    """
    corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)]) * [*shape[:3], 1]
    apart = np.linalg.norm(corners @ (sform - qform).T, axis=1).max() * factor
    if apart > POSITION_TOLERANCE_MM:
        message = (
            f"The header places the scan twice, by sform and by qform, up to {apart:.0f} mm apart; "
            "the sform was used, so check left and right if it is not the one you mean."
        )
        yield Check("positions_disagree", "note", message)


def unit_findings(
    unit: str, shape: tuple[int, ...], affine: np.ndarray
) -> tuple[float, tuple[Check, ...]]:
    """By what an affine must be multiplied to be in mm, and what is to be said about it.

    The unit is "meter", "mm", "micron" or anything else for unknown. It is believed where it makes
    a head of the image, since some programs write units at random beside an affine in mm.
    """
    factor = MILLIMETRES.get(unit, 1.0)
    if factor == 1.0:
        return 1.0, ()
    extent = spacing_of(affine) * shape[:3]
    if _is_head_sized(extent * factor):
        message = f"The header is in units of {unit}; the affine was converted to mm."
        return factor, (Check("units_converted", "note", message),)
    if _is_head_sized(extent):
        message = f"The header names units of {unit}, which make no head; mm were assumed."
        return 1.0, (Check("units_unlikely", "warn", message),)
    return factor, ()  # the check of the field of view refuses it


def scaled(affine: np.ndarray, factor: float) -> np.ndarray:
    """Return the affine with all its lengths multiplied."""
    return np.diag([factor, factor, factor, 1.0]) @ affine


def _is_head_sized(extent_mm: np.ndarray) -> bool:
    return bool(extent_mm.min() >= MIN_EXTENT_MM and extent_mm.max() <= MAX_EXTENT_MM)
