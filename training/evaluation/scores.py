"""The figures of a scan, and their summary over scans."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Figure:
    """A measure of agreement: its name in code, its title, its digits and which way is better."""

    name: str
    title: str
    digits: int
    higher_is_better: bool


FIGURES = (
    Figure("dice", "Dice", 4, True),
    Figure("jaccard", "Jaccard", 4, True),
    Figure("hd95_mm", "HD95 (mm)", 2, False),
    Figure("assd_mm", "ASSD (mm)", 3, False),
    Figure("sensitivity", "Sensitivity", 4, True),
    Figure("specificity", "Specificity", 4, True),
    Figure("volume_error_percent", "Volume error (%)", 2, False),
)

MAX_GROUPS = 12
RESAMPLES = 2000


@dataclass(frozen=True)
class ScanScore:
    """How one predicted mask agrees with the truth.

    Distances in mm; `volume_error_percent` keeps its sign. A run that failed has Dice 0 and NaN
    where nothing is defined; `failure` says why.
    """

    scan: str
    subject: str = ""
    groups: tuple[tuple[str, str], ...] = ()
    values: dict[str, float] = field(default_factory=dict)
    volume_ml: float = float("nan")
    seconds: float = float("nan")
    failure: str = ""

    def __getitem__(self, name: str) -> float:
        return self.values[name]


def failed_values() -> dict[str, float]:
    """Return the figures of a scan for which no mask came out: no overlap, no distances."""
    values = dict.fromkeys((figure.name for figure in FIGURES), float("nan"))
    return values | {
        "dice": 0.0, "jaccard": 0.0, "sensitivity": 0.0, "volume_error_percent": -100.0,
    }  # fmt: skip


@dataclass(frozen=True)
class Summary:
    """One figure over many scans; `undefined` counts the scans on which it has no value."""

    count: int
    undefined: int
    mean: float
    median: float
    worst: float
    low: float
    high: float


def summarise(scores: Sequence[ScanScore], figure: Figure) -> Summary:
    """Summarise one figure: mean with its 95 % bootstrap interval, median and worst scan.

    Values that are NaN or infinite are left out and counted. For the volume error the mean and
    the median keep their sign (bias), the worst is the largest in size.
    """
    values = np.array([score[figure.name] for score in scores], dtype=np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        nan = float("nan")
        return Summary(0, len(values), nan, nan, nan, nan, nan)
    worst = finite.min() if figure.higher_is_better else finite[np.abs(finite).argmax()]
    low, high = mean_interval(finite)
    return Summary(
        count=int(finite.size),
        undefined=int(values.size - finite.size),
        mean=float(finite.mean()),
        median=float(np.median(finite)),
        worst=float(worst),
        low=low,
        high=high,
    )


def mean_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean of values, one a scan.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. Both ends are NaN for
    fewer than two values, where nothing can be said.
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def by_group(scores: Iterable[ScanScore]) -> dict[tuple[str, str], list[ScanScore]]:
    """Collect the scans of every (column, value), sorted; a scan is in one group a column.

    Columns of more than `MAX_GROUPS` values, or of fractional numbers, are measurements and not
    groups; they are left out.
    """
    groups: dict[tuple[str, str], list[ScanScore]] = {}
    for score in scores:
        for key in score.groups:
            groups.setdefault(key, []).append(score)
    sizes = Counter(column for column, _ in groups)
    measured = {column for column, value in groups if re.fullmatch(r"-?\d*\.\d+", value)}
    return {
        key: groups[key]
        for key in sorted(groups)
        if sizes[key[0]] <= MAX_GROUPS and key[0] not in measured
    }
