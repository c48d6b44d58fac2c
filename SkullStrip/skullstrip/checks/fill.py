"""Fill values: padding and corners, far from every intensity of the scan itself."""

from __future__ import annotations

import numpy as np

SAMPLED_VOXELS = 500_000
# Fill values (DICOM's padding, corners that a resampling left): one extreme value in more than
# this share of all voxels, further from the others than this share of their own range. Of 168 real
# scans none has one; their lowest repeated value is 0, at most 0.07 ranges from the others.
REPEATED = 0.0005
WIDE_GAP = 0.25
# What interpolation leaves in the gap: voxels for each one of the fill, and a share of all at most.
BETWEEN, MOST_BETWEEN = 0.5, 0.02


def without_fill(array: np.ndarray) -> np.ndarray:
    """Replace fill values, far below or above all others, by the lowest of the others.

    Shape and dtype stay; without fill the array itself is returned.
    """
    sample = array.ravel(order="K")[:: max(1, array.size // SAMPLED_VOXELS)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
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
