"""From brain probability to a brain mask: surface, border, one piece, no holes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..grid.regions import bounding_box, fill_holes, largest_component

Mask = np.ndarray


def brain_mask_from_probability(
    probability: np.ndarray,
    spacing_mm: np.ndarray,
    border_mm: float = 0.0,
    threshold: float = 0.5,
) -> Mask:
    """Cut the probability at its threshold, move the surface, keep one solid piece.

    Parameters
    ----------
    probability : ndarray of float32, shape (X, Y, Z)
        Brain probability in [0, 1].
    spacing_mm : ndarray, shape (3,)
        Voxel spacing, in mm.
    border_mm : float
        Moves the surface outwards (positive) or inwards (negative), in mm.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)
    """
    return with_border(largest_component(probability >= threshold), spacing_mm, border_mm)


def with_border(mask: Mask, spacing_mm: np.ndarray, border_mm: float) -> Mask:
    """Return a mask's one solid piece with its surface moved outwards by `border_mm`."""
    if border_mm != 0.0 and mask.any():
        mask = largest_component(move_surface(fill_holes(mask), spacing_mm, border_mm))
    return fill_holes(mask)


def signed_distance_mm(mask: Mask, spacing_mm: np.ndarray) -> np.ndarray:
    """Distance to the mask's surface in mm, negative inside, shape and grid of `mask`.

    The surface lies half a voxel from the outermost centres; half of the smallest spacing is
    taken off both transforms, which is exact along that axis.
    """
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    inside = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    half = float(np.min(spacing_mm)) / 2
    return np.where(mask, half - inside, outside - half).astype(np.float32)


def move_surface(mask: Mask, spacing_mm: np.ndarray, border_mm: float) -> Mask:
    """Return every voxel centre within `border_mm` of the mask's surface, measured outwards."""
    margin = tuple(int(np.ceil(max(border_mm, 0.0) / step)) + 1 for step in spacing_mm)
    box = bounding_box(mask, margin)
    moved = np.zeros_like(mask)
    moved[box] = signed_distance_mm(mask[box], spacing_mm) <= border_mm
    return moved
