"""From a brain probability to the mask that was asked for: border, fluid, one piece, no holes.

Outer fluid is told by intensity alone: of three classes (Otsu, IEEE SMC 1979) within the mask, the
one that the mask's shell belongs to is fluid, dark in T1-weighted scans and bright in inverted
ones. Fluid goes where a path through fluid leads to it from outside without going deep. A mask so
tight that it holds no fluid could lose cortex.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..grid.regions import bounding_box, fill_holes, largest_component
from ..grid.volume import Volume, spacing_of
from ..options import Options

Mask = np.ndarray
THRESHOLD = 0.5  # of the probability: more is brain
SHELL_MM = 2.0  # under the mask's surface, where most of a head's voxels are fluid
# Where outer fluid ends: on label maps of 20 heads, about three quarters of it lies above this
# depth and nearly all of the ventricles below.
DEPTH_MM = 12.0
BINS = 256


def cut_brain(volume: Volume, probability: np.ndarray, options: Options = Options()) -> np.ndarray:
    """Cut the probability at 0.5, take outer fluid off if asked to, move the surface.

    Scan, probability in [0, 1] and the bool mask that is returned have one shape, (I, J, K). Raise
    InputError where there is no brain, or the border leaves none.
    """
    mask = solid_mask(probability)
    if not mask.any():
        raise InputError("No brain was found; give an MRI of a human head with the brain in view.")
    if not options.keep_csf:
        mask = without_outer_csf(mask, volume.array, volume.affine)
    if options.border_mm or not options.keep_csf:
        mask = with_border(mask, volume.spacing_mm, options.border_mm)
    if not mask.any():
        raise InputError(
            f"A border of {options.border_mm:g} mm leaves no brain; use one nearer to 0."
        )
    return mask


def solid_mask(probability: np.ndarray) -> Mask:
    """Return the mask that a probability gives: cut at 0.5, the largest piece, holes filled."""
    return fill_holes(largest_component(probability >= THRESHOLD))


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
    near, half = mask[box], float(np.min(spacing_mm)) / 2
    moved = np.zeros_like(mask)
    # `signed_distance_mm` on the one side that changes: half of the time.
    if border_mm > 0:
        outside = ndimage.distance_transform_edt(~near, sampling=spacing_mm)
        moved[box] = near | ((outside - half).astype(np.float32) <= border_mm)
    else:
        inside = ndimage.distance_transform_edt(near, sampling=spacing_mm)
        moved[box] = near & ((half - inside).astype(np.float32) <= border_mm)
    return moved


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
