"""What can be said about a result before anybody looks at it: a whole brain, of a brain's size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..checks import Check

# Intracranial contents of newborns to the largest adults; a child's is the usual false alarm.
SMALLEST_BRAIN_ML = 700.0
LARGEST_BRAIN_ML = 2100.0
# Of the largest cross-section along an axis; the brain stem alone may leave the image.
CUT_FRACTION = 0.2


def judge(brain_mask: np.ndarray, voxel_volume_ml: float) -> tuple[Check, ...]:
    """Notice what makes a mask implausible.

    Parameters
    ----------
    brain_mask : ndarray of bool, shape (I, J, K)
    voxel_volume_ml : float
        Volume of one voxel in mL.

    Returns
    -------
    tuple of Check
        Warnings; empty for a plausible brain.
    """
    volume_ml = float(np.count_nonzero(brain_mask)) * voxel_volume_ml
    if volume_ml == 0:
        return (Check("no_brain", "warn", "No brain was found; is this a T1-weighted head?"),)
    return (*_check_volume(volume_ml), *_check_edges(brain_mask))


def _check_volume(volume_ml: float) -> Iterator[Check]:
    if not SMALLEST_BRAIN_ML <= volume_ml <= LARGEST_BRAIN_ML:
        size = "small" if volume_ml < SMALLEST_BRAIN_ML else "large"
        message = (
            f"The brain found is unusually {size} ({volume_ml:.0f} mL; {SMALLEST_BRAIN_ML:.0f} to "
            f"{LARGEST_BRAIN_ML:.0f} mL expected); look at its outline."
        )
        yield Check(f"brain_{size}", "warn", message)


def _check_edges(brain_mask: np.ndarray) -> Iterator[Check]:
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        areas = np.count_nonzero(brain_mask, axis=others)
        if max(areas[0], areas[-1]) > CUT_FRACTION * areas.max():
            message = "The brain reaches the edge of the image, so part of it is missing."
            yield Check("brain_cut", "warn", message)
            return
