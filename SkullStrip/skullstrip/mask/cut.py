"""From a brain probability to the mask that was asked for, or a sentence that there is none."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..grid.volume import Volume
from .csf import without_outer_csf
from .postprocess import brain_mask_from_probability, with_border


def cut_brain(
    volume: Volume,
    probability: np.ndarray,
    border_mm: float = 0.0,
    keep_csf: bool = True,
    threshold: float = 0.5,
) -> np.ndarray:
    """Cut the probability at its threshold, take outer fluid off if asked to, move the surface.

    Parameters
    ----------
    volume : Volume
        The scan, shape (I, J, K).
    probability : ndarray of float32, shape (I, J, K)
        In [0, 1].

    Returns
    -------
    ndarray of bool, shape (I, J, K)

    Raises
    ------
    InputError
        There is no brain, or the border leaves none.
    """
    mask = brain_mask_from_probability(probability, volume.spacing_mm, threshold=threshold)
    if not mask.any():
        raise InputError(
            "No brain was found; give a T1-weighted scan of a human head with the brain in view."
        )
    if not keep_csf:
        mask = without_outer_csf(mask, volume.array, volume.affine)
    if border_mm or not keep_csf:
        mask = with_border(mask, volume.spacing_mm, border_mm)
    if not mask.any():
        raise InputError(f"A border of {border_mm:g} mm leaves no brain; use one nearer to 0.")
    return mask
