"""Take the fluid outside the brain's surface out of a mask; the ventricles stay.

By intensity alone: of three classes (Otsu, IEEE SMC 1979) within the mask, the one that the mask's
shell belongs to is fluid, dark in T1-weighted scans and bright in inverted ones. Fluid goes where a
path through fluid leads to it from outside without going deep. A mask so tight that it holds no
fluid could lose cortex.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..grid.regions import bounding_box, largest_component
from ..grid.volume import spacing_of

SHELL_MM = 2.0  # under the mask's surface, where most of a head's voxels are fluid
# Where outer fluid ends: on label maps of 20 heads, about three quarters of it lies above this
# depth and nearly all of the ventricles below.
DEPTH_MM = 12.0
BINS = 256


def without_outer_csf(brain_mask: np.ndarray, array: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return a mask, in one piece, without the cerebrospinal fluid around the brain.

    Mask (bool, not empty) and scan have one shape, (I, J, K). Where the scan's values in it do not
    differ, it is the whole mask.
    """
    spacing_mm = spacing_of(affine)
    box = bounding_box(brain_mask)
    inside = np.pad(brain_mask[box], 1)
    values = np.nan_to_num(array[box].astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    values = np.pad(values, 1)
    depth = ndimage.distance_transform_edt(inside, sampling=spacing_mm)
    shell = inside & (depth <= max(SHELL_MM, float(spacing_mm.max())))
    if np.median(values[shell]) > np.median(values[inside]):
        values = -values
    fluid = inside & (values < darkest_class(values[inside]))
    labels, _ = ndimage.label((fluid & (depth <= DEPTH_MM)) | ~inside)
    tissue = np.zeros_like(brain_mask)
    tissue[box] = (inside & (labels != labels[0, 0, 0]))[1:-1, 1:-1, 1:-1]
    return largest_component(tissue) if tissue.any() else brain_mask


def darkest_class(values: np.ndarray) -> float:
    """Return the intensity under which the darkest of three classes lies, by Otsu's criterion."""
    low, high = (float(p) for p in np.percentile(values, [0.5, 99.5]))
    if low == high:
        return -np.inf
    counts, edges = np.histogram(values, BINS, (low, high))
    weight = np.concatenate([[0.0], np.cumsum(counts)])
    moment = np.concatenate([[0.0], np.cumsum(counts * (edges[1:] + edges[:-1]) / 2)])
    first, second = np.triu_indices(BINS + 1)
    score: np.ndarray = np.zeros(len(first))
    # The classes' squared means, weighted, are largest where the variance between them is.
    for start, stop in ((0, first), (first, second), (second, -1)):
        score += (moment[stop] - moment[start]) ** 2 / np.maximum(weight[stop] - weight[start], 1.0)
    return float(edges[first[score.argmax()]])
