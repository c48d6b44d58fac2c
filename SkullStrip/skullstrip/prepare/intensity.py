"""Robust intensity scaling, once for a whole volume.

Slice-wise scaling would destroy the contrast between slices, and a maximum would follow a single
bright vessel.
"""

from __future__ import annotations

import numpy as np

from ..checks.appearance import without_fill

SAMPLED_VOXELS = 500_000  # percentiles are read from about so many voxels
LEAST_RANGE = 1e-37  # of values; one over less is infinite in single precision
LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.5  # what becomes 0, of all; and 1, of bright voxels
SPIKE_PERCENTILE = 99.95  # voxels brighter than this count as if they were no brighter


def intensity_window(array: np.ndarray) -> tuple[float, float]:
    """Intensities that become 0 and 1, of finite values (X, Y, Z).

    The lower end is a percentile of all voxels, the upper one a percentile of those brighter than
    the mean: roughly the head, however much air the field of view holds.
    """
    sample = array.ravel(order="K")[:: max(1, array.size // SAMPLED_VOXELS)].astype(np.float64)
    low, spike = (float(p) for p in np.percentile(sample, [LOW_PERCENTILE, SPIKE_PERCENTILE]))
    sample = np.minimum(sample, spike)  # else a single vessel would move the mean
    bright = sample[sample > sample.mean()]
    high = float(np.percentile(bright, HIGH_PERCENTILE)) if bright.size else low
    if high <= low:
        low, high = float(array.min()), float(array.max())
    return low, high


def scale_intensities(array: np.ndarray) -> np.ndarray:
    """Scale a volume of any real dtype linearly to [0, 1], float32, and clip it.

    Fill values and what is not finite count as the lowest. A volume that is constant, or as good as
    that, becomes all zero.
    """
    values = without_fill(np.asarray(array, dtype=np.float32))
    finite = np.isfinite(values) if array.dtype.kind == "f" else np.True_
    if not finite.all():
        lowest = values[finite].min() if finite.any() else 0.0
        values = np.where(finite, values, np.float32(lowest))
    low, high = intensity_window(values)
    if high - low < LEAST_RANGE:
        return np.zeros_like(values)
    into = None if np.may_share_memory(values, array) else values  # else it is ours to change
    scaled = np.subtract(values, np.float32(low), out=into)
    scaled *= np.float32(1.0 / (high - low))
    return np.clip(scaled, 0.0, 1.0, out=scaled)
