"""Whether an image looks like a T1-weighted head, by its intensities alone, and fill among them.

Every check warns and none refuses: the image is still stripped, and the user is told to look.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..grid.volume import voxel_ml

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
