"""Whether voxels look like a whole T1-weighted head, by themselves, and fill among them.

Every check warns and none refuses: the image is still stripped, and the user is told to look.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from ..grid.orientation import orientation_of
from ..grid.volume import spacing_of, voxel_ml

SAMPLED_VOXELS = 300_000
# Share of voxels beside one of the same value, background aside: 0.85 to 1 in label maps, at most
# 0.26 in the scans measured.
FLAT_SHARE = 0.6
# Air is about -1000 Hounsfield units, and padding lower; T1 scans have no such values.
CT_AIR = -500.0
# Strippers write one value outside the brain. The smallest adult head measured had 2,450 mL of
# bright voxels, the largest brain 1,970 mL.
BACKGROUND_SHARE = 0.6
LARGEST_BRAIN_ML = 2100.0
BRIGHT_SHARE = 0.1  # of the range between the 0.5th and 99.5th percentile
FILL_SAMPLED_VOXELS = 500_000
# Fill values (DICOM's padding, corners that a resampling left): one extreme value in more than
# this share of all voxels, further from the others than this share of their own range. Of 168 real
# scans none has one; their lowest repeated value is 0, at most 0.07 ranges from the others.
REPEATED = 0.0005
WIDE_GAP = 0.25
# What interpolation leaves in the gap: voxels for each one of the fill, and a share of all at most.
BETWEEN, MOST_BETWEEN = 0.5, 0.02
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


def appearance_findings(array: np.ndarray, affine: np.ndarray) -> Iterator[tuple[str, str]]:
    """Yield code and sentence of what makes an image (I, J, K) unlike a T1-weighted head.

    Codes are "label_map", "ct_like" and "already_stripped"; values that are not finite are passed
    over.
    """
    sample = sample_voxels(array)
    values, counts = np.unique(sample, return_counts=True)
    background = values[counts.argmax()]
    if flat_share(array, background) > FLAT_SHARE:
        message = (
            f"The image is flat in patches ({len(values)} different values), like a mask or a "
            "label map; give the scan itself."
        )
        yield "label_map", message
        return
    low, high = (float(p) for p in np.percentile(sample, [0.5, 99.5]))
    if low < CT_AIR:
        message = (
            f"Intensities reach down to {low:.0f}, like Hounsfield units of CT; "
            "the network knows T1-weighted MRI only."
        )
        yield "ct_like", message
    bright_ml = (
        float(np.mean(sample > low + BRIGHT_SHARE * (high - low))) * array.size * voxel_ml(affine)
    )
    if counts.max() > BACKGROUND_SHARE * len(sample) and bright_ml < LARGEST_BRAIN_ML:
        message = (
            f"Only {bright_ml:.0f} mL stand out from an even background, as if the skull had been "
            "stripped already; check the result."
        )
        yield "already_stripped", message


def flat_share(array: np.ndarray, background: float) -> float:
    """Share of voxels off the background whose next voxel along the first axis equals them."""
    array = array[..., ::4]  # enough to tell
    after = array[1::4]
    here = array[:-1:4][: len(after)]
    structured = here != background
    return float((here == after)[structured].mean()) if structured.any() else 0.0


def sample_voxels(array: np.ndarray, count: int = SAMPLED_VOXELS) -> np.ndarray:
    """Finite voxels, evenly spaced through the image, shape (n,); all if those are NaN.

    Whole numbers as they are, which are sorted many times as quickly, others as float64.
    """
    sample = array.ravel(order="K")[:: max(1, array.size // count)]
    if array.dtype.kind in "iu":
        return sample
    sample = sample.astype(np.float64)
    finite = sample[np.isfinite(sample)]
    return finite if finite.size else array[np.isfinite(array)].astype(np.float64)


def without_fill(array: np.ndarray) -> np.ndarray:
    """Replace fill values, far below or above all others, by the lowest of the others.

    Shape and dtype stay; without fill the array itself is returned.
    """
    sample = sample_voxels(array, FILL_SAMPLED_VOXELS).astype(np.float64)
    limits = [-np.inf, np.inf]
    found = True
    while found:  # a fill may hide another one
        found = False
        for side, sign in enumerate((1, -1)):
            if (limit := _fill_limit(sign * sample)) is not None:
                sample = sample[sign * sample > limit]
                limits[side] = sign * limit
                found = True
    if not np.isfinite(limits).any():
        return array
    fill = (array < limits[0]) | (array > limits[1])
    return np.where(fill, array[~fill & np.isfinite(array)].min(), array)


def _fill_limit(values: np.ndarray) -> float | None:
    """Return the value under which all is fill, if some is; zero is background already."""
    lowest = values.min(initial=0.0)
    count = int(np.count_nonzero(values == lowest))
    if lowest == 0 or count < REPEATED * values.size:
        return None
    between = int(min(BETWEEN * count, MOST_BETWEEN * values.size))
    others = np.sort(values[values > lowest])[between:]
    if not others.size:
        return None
    low, high = np.percentile(others, [0.5, 99.5])
    limit = float(others[0] - WIDE_GAP * (high - low))
    return limit if low < high and lowest < limit else None


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
