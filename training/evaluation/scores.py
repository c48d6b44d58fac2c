"""The figures of every scan, as a CSV table and, summed up, as a report in Markdown.

A score is a row of that table: its `COLUMNS`, and whatever else is known of the scan, by which
scans are grouped.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from skullstrip.batch.tables import write_rows
from skullstrip.grid.regions import dice

Score = dict[str, Any]


class Figure(NamedTuple):
    """How a measure of agreement is shown."""

    title: str
    digits: int
    perfect: float  # the value of a right mask


class Summary(NamedTuple):
    """One figure over many scans, of which on some, `undefined`, it has no value."""

    scans: int
    undefined: int
    mean: float = math.nan
    low: float = math.nan  # this and the next: the mean's 95 % interval
    high: float = math.nan
    median: float = math.nan
    worst: float = math.nan

    def cells(self, digits: int) -> tuple[str, str, str, str]:
        """Return mean, interval, median and worst as a table shows them."""
        mean, low, high, median, worst = (number(value, digits) for value in self[2:])
        return mean, f"{low} to {high}", median, worst


FIGURES = {
    "dice": Figure("Dice", 4, 1),
    "jaccard": Figure("Jaccard", 4, 1),
    "hd95_mm": Figure("HD95 (mm)", 2, 0),
    "assd_mm": Figure("ASSD (mm)", 3, 0),
    "sensitivity": Figure("Sensitivity", 4, 1),
    "specificity": Figure("Specificity", 4, 1),
    "volume_error_percent": Figure("Volume error (%)", 2, 0),
}
COLUMNS = ("scan", "subject", *FIGURES, "volume_ml", "seconds", "failure")
MAX_GROUPS = 12
RESAMPLES = 2000


def agreement(
    predicted: np.ndarray, reference: np.ndarray, spacing_mm: np.ndarray
) -> dict[str, float]:
    """Return every figure of agreement by its name.

    ``dice``, ``jaccard`` (intersection over union): 1 when both masks are empty.
    ``hd95_mm``: the larger of the two directed 95th percentiles of the surface distance.
    ``assd_mm``: its mean over the voxels of both surfaces. Both are 0 when both masks are
    empty, infinity when one is.
    ``sensitivity``: share of the reference that was found; NaN when it is empty.
    ``specificity``: share of the reference's outside left out; NaN when it fills the array.
    ``volume_error_percent``: of the reference, positive when too large; infinity when only the
    reference is empty.
    """
    both = int((predicted & reference).sum())
    found, expected = int(predicted.sum()), int(reference.sum())
    either, outside = found + expected - both, reference.size - expected
    hd95 = assd = 0.0 if found == expected == 0 else float("inf")
    if found and expected:
        distances = surface_distances_mm(predicted, reference, spacing_mm)
        hd95 = float(max(np.percentile(each, 95) for each in distances))
        assd = float(np.concatenate(distances).mean())
    excess = 100.0 * (found - expected) / expected if expected else float("inf")
    return {
        "dice": dice(predicted, reference),
        "jaccard": both / either if either else 1.0,
        "hd95_mm": hd95,
        "assd_mm": assd,
        "sensitivity": both / expected if expected else float("nan"),
        "specificity": (reference.size - either) / outside if outside else float("nan"),
        "volume_error_percent": excess if either else 0.0,
    }


def surface_distances_mm(
    predicted: np.ndarray, reference: np.ndarray, spacing_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each surface voxel of one mask to the nearest of the other, neither empty.

    Arrays (n,), one value for each surface voxel of the first, then of the second mask.
    """
    # Nothing outside the union's box changes a distance, and the box is a fraction of the scan.
    (box,) = ndimage.find_objects((predicted | reference).astype(np.uint8))
    surface_p, surface_r = (
        mask[box] & ~ndimage.binary_erosion(mask[box]) for mask in (predicted, reference)
    )
    return (
        ndimage.distance_transform_edt(~surface_r, sampling=spacing_mm)[surface_p],
        ndimage.distance_transform_edt(~surface_p, sampling=spacing_mm)[surface_r],
    )


def summarise(scores: Sequence[Score], name: str = "dice") -> Summary:
    """Summarise one figure; values that are NaN or infinite are left out and counted.

    For the volume error the mean and the median keep their sign (bias), the worst is the largest in
    size.
    """
    values = np.array([score[name] for score in scores], dtype=np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Summary(0, values.size)
    worst = finite[np.abs(finite - FIGURES[name].perfect).argmax()]
    found = finite.mean(), *mean_interval(finite), np.median(finite), worst
    return Summary(finite.size, values.size - finite.size, *map(float, found))


def mean_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean of values, one a scan.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. Both ends are NaN for
    fewer than two values, where nothing can be said.
    """
    if len(values) < 2:
        return math.nan, math.nan
    drawn = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def by_group(scores: Iterable[Score]) -> dict[tuple[str, str], list[Score]]:
    """Collect the scans of every (column, value), sorted; a scan is in one group a column.

    Columns of more than `MAX_GROUPS` values, or of fractional numbers, are measurements and not
    groups; they are left out.
    """
    groups: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        for key in score.items():
            if key[0] not in COLUMNS:
                groups.setdefault(key, []).append(score)
    sizes = Counter(column for column, _ in groups)
    measured = {column for column, value in groups if re.fullmatch(r"-?\d*\.\d+", value)}
    return {
        key: groups[key]
        for key in sorted(groups)
        if sizes[key[0]] <= MAX_GROUPS and key[0] not in measured
    }


def write_figures(path: Path, columns: Sequence[str], rows: Iterable[Score]) -> None:
    """Write a CSV, figures with six digits."""
    shown = (
        {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()}
        for row in rows
    )
    write_rows(path, columns, shown)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; a bar inside a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def number(value: float, digits: int) -> str:
    """Format a figure; what is undefined is a dash, never ``nan``."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def summary_table(scores: Sequence[Score]) -> str:
    """Return the table of all figures over all scans."""
    rows = []
    for name, figure in FIGURES.items():
        summary = summarise(scores, name)
        undefined = f" (+{summary.undefined} undefined)" if summary.undefined else ""
        rows.append([figure.title, *summary.cells(figure.digits), f"{summary.scans}{undefined}"])
    return markdown_table(("", "mean", "95 % interval", "median", "worst", "scans"), rows)


def group_table(scores: Iterable[Score]) -> str:
    """Return Dice and HD95 for every data set and subgroup."""
    rows = []
    for key, members in by_group(scores).items():
        dice, interval, _, worst = summarise(members).cells(4)
        hd95, _, _, farthest = summarise(members, "hd95_mm").cells(2)
        rows.append([*key, str(len(members)), dice, interval, worst, hd95, farthest])
    header = (
        "group", "value", "scans", "mean Dice", "95 % interval", "worst Dice", "mean HD95 (mm)",
        "worst HD95 (mm)",
    )  # fmt: skip
    return markdown_table(header, rows)


def scan_table(scores: Iterable[Score]) -> str:
    """Return one row a scan, the worst Dice first."""
    rows = (
        [score["scan"], *(number(score[name], f.digits) for name, f in FIGURES.items()),
         score["failure"]]
        for score in sorted(scores, key=lambda score: score["dice"])
    )  # fmt: skip
    titles = (figure.title for figure in FIGURES.values())
    return markdown_table(["scan", *titles, "failure"], rows)


def evaluation_markdown(title: str, facts: Iterable[str], scores: Sequence[Score]) -> str:
    """Return the whole report: facts, summary, subgroups and scans."""
    parts = (
        f"# {title}",
        "\n".join(f"- {fact}" for fact in facts),
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
