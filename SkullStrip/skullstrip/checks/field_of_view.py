"""Whether the field of view holds the whole head, as far as it can be told beforehand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from ..grid.orientation import orientation_of
from ..grid.volume import spacing_of
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
# Noise over mean in such squares: 0.7 where MP2RAGE divides noise by noise, under 0.35 in most
# tissue. It only counts where it is most of what looks like tissue.
ROUGH, ROUGH_MM = 0.45, 12.0


def field_of_view_findings(array: np.ndarray, affine: np.ndarray) -> Iterator[tuple[str, str]]:
    """Yield a code, "narrow" or "head_cut", and a sentence where too little is in view."""
    extent_mm = spacing_of(affine) * array.shape
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
    spacing_mm = spacing_of(affine)[list(orientation.axes)]
    level, lowest = tissue_level(array), float(sample_voxels(array).min())
    areas = {}
    for axis, (low, high) in enumerate(SIDES):
        in_plane_mm = np.delete(spacing_mm, axis)
        for side, index in ((low, SKIPPED), (high, -1 - SKIPPED)):
            if side:
                plane = np.moveaxis(ras, axis, 0)[index].astype(np.float32) - np.float32(lowest)
                areas[side] = _area_cm2(np.nan_to_num(plane), in_plane_mm, level - lowest)
    return areas


def tissue_level(array: np.ndarray) -> float:
    """Return an intensity between air, noise included, and tissue."""
    sample = sample_voxels(array)
    mean = sample.mean()
    dark, bright = sample[sample <= mean], sample[sample > mean]
    if not bright.size:
        return np.inf
    air = float(np.median(dark))
    return air + TISSUE * (float(np.median(bright)) - air)


def _area_cm2(plane: np.ndarray, spacing_mm: np.ndarray, level: float) -> float:
    grain = np.maximum(1, np.round(GRAIN_MM / spacing_mm)).astype(int)
    grid = tuple(slice(None, None, step) for step in grain)
    tissue = ndimage.binary_opening((ndimage.uniform_filter(plane, grain) > level)[grid])
    smooth = ndimage.binary_opening(tissue & ~is_salt_and_pepper(plane, spacing_mm)[grid])
    if np.count_nonzero(smooth) < np.count_nonzero(tissue) / 2:
        tissue = smooth
    return float(np.count_nonzero(tissue) * np.prod(grain * spacing_mm)) / 100


def is_salt_and_pepper(array: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Return where neighbours differ as much as their mean is high: the air of MP2RAGE.

    Of values that are not negative, float32, in two or three dimensions.
    """
    size = np.maximum(3, np.round(ROUGH_MM / spacing_mm)).astype(int)
    with np.errstate(over="ignore", invalid="ignore"):  # of values near the largest float
        variance = np.zeros_like(array)
        for axis in range(array.ndim):
            steps = np.diff(array, axis=axis, prepend=np.take(array, [1], axis=axis))
            variance += ndimage.uniform_filter(steps**2, size) / (2 * array.ndim)
        return variance > (ROUGH * ndimage.uniform_filter(array, size)) ** 2
