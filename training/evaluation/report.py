"""Scores as a CSV table and as a Markdown report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..data.csv_manifest import write_csv
from .scores import FIGURES, Figure, ScanScore, by_group, summarise


def write_scores_csv(path: Path, scores: Iterable[ScanScore]) -> None:
    """Write one row a scan: names, figures, volume, seconds, groups and failure."""
    rows = list(scores)
    columns = sorted({key for score in rows for key, _ in score.groups})
    names = [figure.name for figure in FIGURES]
    table = []
    for score in rows:
        groups = dict(score.groups)
        figures = [f"{score[name]:.6g}" for name in names]
        extra = [f"{score.volume_ml:.2f}", f"{score.seconds:.2f}"]
        cells = [groups.get(column, "") for column in columns]
        table.append([score.scan, score.subject, *figures, *extra, *cells, score.failure])
    header = ["scan", "subject", *names, "volume_ml", "seconds", *columns, "failure"]
    write_csv(path, header, table)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; a bar inside a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def number(value: float, digits: int) -> str:
    """Format a figure; what is undefined is a dash, never ``nan``."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def summary_table(scores: Sequence[ScanScore]) -> str:
    """Return the table of all figures over all scans."""
    header = ("", "mean", "95 % interval", "median", "worst", "scans")
    return markdown_table(header, (_summary_row(scores, figure) for figure in FIGURES))


def _summary_row(scores: Sequence[ScanScore], figure: Figure) -> list[str]:
    found, digits = summarise(scores, figure), figure.digits
    scans = f"{found.count}" + (f" (+{found.undefined} undefined)" if found.undefined else "")
    return [
        figure.title,
        number(found.mean, digits),
        f"{number(found.low, digits)} to {number(found.high, digits)}",
        number(found.median, digits),
        number(found.worst, digits),
        scans,
    ]


def group_table(scores: Sequence[ScanScore]) -> str:
    """Return Dice and HD95 for every data set and subgroup."""
    dice, hd95 = FIGURES[0], FIGURES[2]
    rows = []
    for (column, value), members in by_group(scores).items():
        overlap, distance = summarise(members, dice), summarise(members, hd95)
        rows.append(
            [
                column, value, str(len(members)), number(overlap.mean, 4),
                f"{number(overlap.low, 4)} to {number(overlap.high, 4)}",
                number(overlap.worst, 4), number(distance.mean, 2), number(distance.worst, 2),
            ]
        )  # fmt: skip
    header = (
        "group", "value", "scans", "mean Dice", "95 % interval", "worst Dice", "mean HD95 (mm)",
        "worst HD95 (mm)",
    )  # fmt: skip
    return markdown_table(header, rows)


def scan_table(scores: Iterable[ScanScore]) -> str:
    """Return one row a scan, the worst Dice first."""
    rows = (
        [
            score.scan,
            *(number(score[figure.name], figure.digits) for figure in FIGURES),
            score.failure,
        ]
        for score in sorted(scores, key=lambda score: score["dice"])
    )
    return markdown_table(["scan", *(figure.title for figure in FIGURES), "failure"], rows)


def evaluation_markdown(title: str, facts: Sequence[str], scores: Sequence[ScanScore]) -> str:
    """Return the whole report: facts, summary, subgroups and scans."""
    return (
        "\n\n".join(
            [
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
            ]
        )
        + "\n"
    )
