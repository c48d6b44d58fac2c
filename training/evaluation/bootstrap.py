"""How far a mean could move with other scans: percentile bootstrap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skullstrip.errors import InputError


def bootstrap_interval(
    values: Sequence[float] | np.ndarray,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean.

    Parameters
    ----------
    values : array-like of float, shape (N,)
        One value a scan.
    level : float
        Probability mass of the interval.
    resamples : int
        Number of resampled means.
    seed : int
        The same seed gives the same interval.

    Returns
    -------
    low, high : float
        Both NaN for fewer than two values, where nothing can be said.

    Notes
    -----
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    if not 0 < level < 1:
        raise InputError(f"The level {level} of the interval must lie between 0 and 1.")
    sample = np.asarray(values, dtype=np.float64)
    if sample.size < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = sample[rng.integers(0, sample.size, (resamples, sample.size))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
