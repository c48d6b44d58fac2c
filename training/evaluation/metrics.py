"""Agreement of two brain masks: overlap, surface distance and volume.

Every function takes the predicted mask first and the reference second, as bool arrays of one
shape (X, Y, Z). Distances are in mm between the centres of surface voxels (mask voxels with a face
neighbour outside the mask, or outside the array).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from skullstrip.grid.regions import dice


def agreement(
    predicted: np.ndarray, reference: np.ndarray, spacing_mm: np.ndarray
) -> dict[str, float]:
    """Return every figure of agreement by its name.

    ``dice``, ``jaccard`` (intersection over union): 1 when both masks are empty.
    ``hd95_mm``: the larger of the two directed 95th percentiles of the surface distance.
    ``assd_mm``: its mean over the voxels of both surfaces. Both are 0 when both masks are
    empty, infinity when one is.
    ``sensitivity``: share of the reference that was found; NaN when it is empty.
    ``specificity``: share of the reference's outside left out; NaN when it fills the array.
    ``volume_error_percent``: of the reference, positive when too large; infinity when only the
    reference is empty.
    """
    both = int((predicted & reference).sum())
    found, expected = int(predicted.sum()), int(reference.sum())
    either, outside = found + expected - both, reference.size - expected
    hd95 = assd = 0.0 if found == expected == 0 else float("inf")
    if found and expected:
        distances = surface_distances_mm(predicted, reference, spacing_mm)
        hd95 = float(max(np.percentile(each, 95) for each in distances))
        assd = float(np.concatenate(distances).mean())
    excess = 100.0 * (found - expected) / expected if expected else float("inf")
    return {
        "dice": dice(predicted, reference),
        "jaccard": both / either if either else 1.0,
        "hd95_mm": hd95,
        "assd_mm": assd,
        "sensitivity": both / expected if expected else float("nan"),
        "specificity": (reference.size - either) / outside if outside else float("nan"),
        "volume_error_percent": excess if either else 0.0,
    }


def surface_distances_mm(
    predicted: np.ndarray, reference: np.ndarray, spacing_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each surface voxel of one mask to the nearest of the other, neither empty.

    Arrays (n,), one value for each surface voxel of the first, then of the second mask.
    """
    # Nothing outside the union's box changes a distance, and the box is a fraction of the scan.
    (box,) = ndimage.find_objects((predicted | reference).astype(np.uint8))
    surface_p, surface_r = (
        mask[box] & ~ndimage.binary_erosion(mask[box]) for mask in (predicted, reference)
    )
    return (
        ndimage.distance_transform_edt(~surface_r, sampling=spacing_mm)[surface_p],
        ndimage.distance_transform_edt(~surface_p, sampling=spacing_mm)[surface_r],
    )
