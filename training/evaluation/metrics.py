"""Agreement of two brain masks: overlap, surface distance and volume.

Every function takes the predicted mask first and the reference second, as bool arrays of one
shape. Distances are in mm between the centres of surface voxels (mask voxels with a face
neighbour outside the mask, or outside the array). What an empty mask means is stated per function.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def dice(predicted: np.ndarray, reference: np.ndarray) -> float:
    """Twice the intersection over the sum of the sizes; 1.0 when both masks are empty."""
    _require_masks(predicted, reference)
    total = int(predicted.sum()) + int(reference.sum())
    return 2.0 * int((predicted & reference).sum()) / total if total else 1.0


def jaccard(predicted: np.ndarray, reference: np.ndarray) -> float:
    """Intersection over union; 1.0 when both masks are empty."""
    _require_masks(predicted, reference)
    union = int((predicted | reference).sum())
    return int((predicted & reference).sum()) / union if union else 1.0


def sensitivity(predicted: np.ndarray, reference: np.ndarray) -> float:
    """Share of the reference that was found; NaN when the reference is empty."""
    _require_masks(predicted, reference)
    positives = int(reference.sum())
    return int((predicted & reference).sum()) / positives if positives else float("nan")


def specificity(predicted: np.ndarray, reference: np.ndarray) -> float:
    """Share of the reference's outside left out; NaN when the reference fills the array."""
    _require_masks(predicted, reference)
    negatives = reference.size - int(reference.sum())
    outside_both = reference.size - int((predicted | reference).sum())
    return outside_both / negatives if negatives else float("nan")


def volume_error_percent(predicted: np.ndarray, reference: np.ndarray) -> float:
    """Signed volume error in percent of the reference, positive when too large.

    0.0 when both masks are empty, infinity when only the reference is.
    """
    _require_masks(predicted, reference)
    found, expected = int(predicted.sum()), int(reference.sum())
    if expected == 0:
        return float("inf") if found else 0.0
    return 100.0 * (found - expected) / expected


def hd95_mm(predicted: np.ndarray, reference: np.ndarray, spacing_mm: np.ndarray) -> float:
    """95th percentile Hausdorff distance: the larger of the two directed percentiles, in mm.

    0.0 when both masks are empty, infinity when one is.
    """
    to_reference, to_predicted = surface_distances_mm(predicted, reference, spacing_mm)
    if to_reference.size == 0 or to_predicted.size == 0:
        return 0.0 if to_reference.size == to_predicted.size else float("inf")
    return float(max(np.percentile(to_reference, 95), np.percentile(to_predicted, 95)))


def assd_mm(predicted: np.ndarray, reference: np.ndarray, spacing_mm: np.ndarray) -> float:
    """Average symmetric surface distance: the mean over the voxels of both surfaces, in mm.

    0.0 when both masks are empty, infinity when one is.
    """
    to_reference, to_predicted = surface_distances_mm(predicted, reference, spacing_mm)
    if to_reference.size == 0 or to_predicted.size == 0:
        return 0.0 if to_reference.size == to_predicted.size else float("inf")
    return float(np.concatenate([to_reference, to_predicted]).mean())


def surface_distances_mm(
    predicted: np.ndarray, reference: np.ndarray, spacing_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each surface voxel of one mask to the nearest surface voxel of the other.

    Parameters
    ----------
    predicted, reference : ndarray of bool, shape (X, Y, Z)
    spacing_mm : array_like, shape (3,)

    Returns
    -------
    predicted_to_reference, reference_to_predicted : ndarray of float64, shape (n,), mm
        One value per surface voxel of the first, then of the second mask; infinity where the
        other mask is empty.
    """
    _require_masks(predicted, reference)
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if spacing.shape != (predicted.ndim,) or not (spacing > 0).all():
        raise ValueError(f"spacing_mm must be {predicted.ndim} positive numbers, not {spacing_mm}")
    # Nothing outside the union's box changes a distance, and the box is a fraction of the scan.
    box = ndimage.find_objects((predicted | reference).astype(np.uint8))
    if not box:
        return np.empty(0), np.empty(0)
    surface_p, surface_r = _surface(predicted[box[0]]), _surface(reference[box[0]])
    return (
        _distance_to(surface_r, spacing)[surface_p],
        _distance_to(surface_p, spacing)[surface_r],
    )


def _surface(mask: np.ndarray) -> np.ndarray:
    return mask & ~ndimage.binary_erosion(mask)


def _distance_to(surface: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    if not surface.any():
        return np.full(surface.shape, np.inf)
    return np.asarray(ndimage.distance_transform_edt(~surface, sampling=spacing))


def _require_masks(predicted: np.ndarray, reference: np.ndarray) -> None:
    if predicted.dtype != bool or reference.dtype != bool:
        raise TypeError(f"masks must be bool, not {predicted.dtype} and {reference.dtype}")
    if predicted.shape != reference.shape:
        raise ValueError(f"masks differ in shape: {predicted.shape} and {reference.shape}")
