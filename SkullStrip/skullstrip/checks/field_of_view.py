"""Whether the field of view holds the whole head, as far as it can be told beforehand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from ..grid.orientation import orientation_of
from .appearance import sample_voxels

# A brain of any age is longer than this from back to front.
SHORTEST_MM = 100.0
# Tissue in the outermost slices, in square centimetres. A neck leaves every image below, and ears
# and nose are often cut: 157 real scans had at most 0 above, 16 in front, 13 behind, 69 at a side.
# Cut 10 mm below the scalp, still outside the brain, 19 of them had 51 to 91 above.
MOST_CM2 = {"top": 50.0, "front": 40.0, "back": 40.0, "left": 130.0, "right": 130.0}
SIDES = (("left", "right"), ("back", "front"), ("", "top"))
SKIPPED = 1  # outermost slices, which scanners and resampling leave empty
TISSUE = 0.25  # of the typical bright voxel: between air and the darkest tissue
GRAIN_MM = 4.0  # means over such squares, so that noise does not count


def coverage_findings(array: np.ndarray, affine: np.ndarray) -> Iterator[tuple[str, str]]:
    """Say where the field of view is too small for a head.

    Parameters
    ----------
    array : ndarray, shape (I, J, K)
    affine : ndarray, shape (4, 4)
        Voxel index to RAS+ mm.

    Yields
    ------
    code : str
        "narrow" or "head_cut".
    message : str
        One sentence for the user.
    """
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    extent_mm = spacing_mm * array.shape
    if extent_mm.min() < SHORTEST_MM:
        message = (
            f"The field of view is only {extent_mm.min():.0f} mm wide along one axis, so part of "
            "the brain is probably missing."
        )
        yield "narrow", message
        return
    cut = [side for side, area in tissue_at_sides(array, affine).items() if area > MOST_CM2[side]]
    if cut:
        message = (
            f"The head reaches the edge of the image ({', '.join(cut)}), so part of the brain may "
            "be missing."
        )
        yield "head_cut", message


def tissue_at_sides(array: np.ndarray, affine: np.ndarray) -> dict[str, float]:
    """Area of tissue in the outermost slices of each side but the lower one, in cm²."""
    orientation = orientation_of(affine)
    ras = orientation.apply(array)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)[list(orientation.axes)]
    level = tissue_level(array)
    areas = {}
    for axis, (low, high) in enumerate(SIDES):
        in_plane_mm = np.delete(spacing_mm, axis)
        for side, index in ((low, SKIPPED), (high, -1 - SKIPPED)):
            if side:
                areas[side] = _area_cm2(np.moveaxis(ras, axis, 0)[index], in_plane_mm, level)
    return areas


def tissue_level(array: np.ndarray) -> float:
    """An intensity between air, noise included, and tissue."""
    sample = sample_voxels(array)
    mean = sample.mean()
    dark, bright = sample[sample <= mean], sample[sample > mean]
    if not bright.size:
        return np.inf
    air = float(np.median(dark))
    return air + TISSUE * (float(np.median(bright)) - air)


def _area_cm2(plane: np.ndarray, spacing_mm: np.ndarray, level: float) -> float:
    grain = np.maximum(1, np.round(GRAIN_MM / spacing_mm)).astype(int)
    means = ndimage.uniform_filter(np.nan_to_num(plane.astype(np.float32)), grain)
    tissue = ndimage.binary_opening(means[:: grain[0], :: grain[1]] > level)
    return float(np.count_nonzero(tissue) * np.prod(grain * spacing_mm)) / 100
