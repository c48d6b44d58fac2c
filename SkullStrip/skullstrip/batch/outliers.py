"""Which brain volumes stand out from the rest of a batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

# Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993: |modified z-score| > 3.5, which
# is in units of the standard deviation when most values are normally distributed.
THRESHOLD = 3.5
MAD_TO_SD = 1.4826
FEWEST = 8  # of fewer volumes the spread says nothing


class Limits(NamedTuple):
    """Volumes in mL outside of which a scan stands out, and what they were made from."""

    low: float
    high: float
    median: float


def volume_limits(volumes_ml: Iterable[float]) -> Limits | None:
    """Limits by the median and the median absolute deviation, which outliers hardly move.

    Parameters
    ----------
    volumes_ml : iterable of float

    Returns
    -------
    Limits or None
        None for fewer than 8 volumes, or when most of them are the same.
    """
    volumes = np.array([volume for volume in volumes_ml if np.isfinite(volume)], dtype=float)
    if len(volumes) < FEWEST:
        return None
    median = float(np.median(volumes))
    spread = MAD_TO_SD * float(np.median(np.abs(volumes - median)))
    if spread == 0:
        return None
    return Limits(median - THRESHOLD * spread, median + THRESHOLD * spread, median)
