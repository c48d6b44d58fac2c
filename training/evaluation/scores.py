"""The figures of every scan, as a CSV table and, summed up, as a report in Markdown."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skullstrip.batch.tables import write_rows


class Figure(NamedTuple):
    """A measure of agreement."""

    name: str  # in code
    title: str
    digits: int
    higher_is_better: bool


DICE = Figure("dice", "Dice", 4, True)
HD95 = Figure("hd95_mm", "HD95 (mm)", 2, False)
FIGURES = (
    DICE,
    Figure("jaccard", "Jaccard", 4, True),
    HD95,
    Figure("assd_mm", "ASSD (mm)", 3, False),
    Figure("sensitivity", "Sensitivity", 4, True),
    Figure("specificity", "Specificity", 4, True),
    Figure("volume_error_percent", "Volume error (%)", 2, False),
)
NAN = float("nan")
# Of a scan for which no mask came out: no overlap, no distances.
FAILED = dict.fromkeys((figure.name for figure in FIGURES), NAN) | {
    "dice": 0.0, "jaccard": 0.0, "sensitivity": 0.0, "volume_error_percent": -100.0,
}  # fmt: skip
MAX_GROUPS = 12
RESAMPLES = 2000


@dataclass(frozen=True)
class ScanScore:
    """How one predicted mask agrees with the truth; `failure` says why there is no mask."""

    scan: str
    subject: str = ""
    groups: tuple[tuple[str, str], ...] = ()
    values: dict[str, float] = field(default_factory=FAILED.copy)
    volume_ml: float = NAN
    seconds: float = NAN
    failure: str = ""

    def __getitem__(self, name: str) -> float:
        return self.values[name]


@dataclass(frozen=True)
class Summary:
    """One figure over many scans; `undefined` counts the scans on which it has no value."""

    count: int
    undefined: int
    mean: float = NAN
    median: float = NAN
    worst: float = NAN
    low: float = NAN
    high: float = NAN


def summarise(scores: Sequence[ScanScore], figure: Figure = DICE) -> Summary:
    """Summarise one figure: mean with its 95 % bootstrap interval, median and worst scan.

    Values that are NaN or infinite are left out and counted. For the volume error the mean and
    the median keep their sign (bias), the worst is the largest in size.
    """
    values = np.array([score[figure.name] for score in scores], dtype=np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Summary(0, len(values))
    worst = finite.min() if figure.higher_is_better else finite[np.abs(finite).argmax()]
    found = finite.mean(), np.median(finite), worst, *mean_interval(finite)
    return Summary(finite.size, values.size - finite.size, *map(float, found))


def mean_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean of values, one a scan.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. Both ends are NaN for
    fewer than two values, where nothing can be said.
    """
    if len(values) < 2:
        return NAN, NAN
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


def write_scores_csv(path: Path, scores: Sequence[ScanScore]) -> None:
    """Write one row a scan: names, figures, volume, seconds, groups and failure."""
    names = [figure.name for figure in FIGURES]
    groups = sorted({key for score in scores for key, _ in score.groups})
    columns = ["scan", "subject", *names, "volume_ml", "seconds", *groups, "failure"]
    rows = (
        dict(score.groups)
        | {"scan": score.scan, "subject": score.subject, "failure": score.failure}
        | {"volume_ml": f"{score.volume_ml:.2f}", "seconds": f"{score.seconds:.2f}"}
        | {name: f"{score[name]:.6g}" for name in names}
        for score in scores
    )
    write_rows(path, columns, rows)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; a bar inside a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def number(value: float, digits: int) -> str:
    """Format a figure; what is undefined is a dash, never ``nan``."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _numbers(digits: int, *values: float) -> list[str]:
    return [number(value, digits) for value in values]


def summary_table(scores: Sequence[ScanScore]) -> str:
    """Return the table of all figures over all scans."""
    rows = []
    for figure in FIGURES:
        found = summarise(scores, figure)
        mean, low, high, *rest = _numbers(
            figure.digits, found.mean, found.low, found.high, found.median, found.worst
        )
        scans = f"{found.count}" + (f" (+{found.undefined} undefined)" if found.undefined else "")
        rows.append([figure.title, mean, f"{low} to {high}", *rest, scans])
    return markdown_table(("", "mean", "95 % interval", "median", "worst", "scans"), rows)


def group_table(scores: Sequence[ScanScore]) -> str:
    """Return Dice and HD95 for every data set and subgroup."""
    rows = []
    for (column, value), members in by_group(scores).items():
        dice, hd95 = summarise(members), summarise(members, HD95)
        mean, low, high, worst = _numbers(4, dice.mean, dice.low, dice.high, dice.worst)
        distances = _numbers(2, hd95.mean, hd95.worst)
        count = str(len(members))
        rows.append([column, value, count, mean, f"{low} to {high}", worst, *distances])
    header = (
        "group", "value", "scans", "mean Dice", "95 % interval", "worst Dice", "mean HD95 (mm)",
        "worst HD95 (mm)",
    )  # fmt: skip
    return markdown_table(header, rows)


def scan_table(scores: Iterable[ScanScore]) -> str:
    """Return one row a scan, the worst Dice first."""
    rows = (
        [score.scan, *(number(score[f.name], f.digits) for f in FIGURES), score.failure]
        for score in sorted(scores, key=lambda score: score["dice"])
    )
    return markdown_table(["scan", *(figure.title for figure in FIGURES), "failure"], rows)


def listed(facts: Iterable[str]) -> str:
    """Return a list in Markdown."""
    return "\n".join(f"- {fact}" for fact in facts)


def evaluation_markdown(title: str, facts: Iterable[str], scores: Sequence[ScanScore]) -> str:
    """Return the whole report: facts, summary, subgroups and scans."""
    parts = (
        f"# {title}",
        listed(facts),
        "## All scans",
        summary_table(scores),
        "The interval is a bootstrap over scans of the mean. The volume error keeps its "
        "sign in mean and median; its worst is the largest in size.",
        "## By data set and subgroup",
        group_table(scores),
        "## Scan by scan, the worst first",
        scan_table(scores),
    )
    return "\n\n".join(parts) + "\n"
