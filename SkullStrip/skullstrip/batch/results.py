"""What is written about all scans of an output folder: table and page."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import OutputError
from ..io.atomic import atomic_outputs
from ..shown import cell
from .columns import COLUMNS, Row
from .sessions import Spans

CSV_TABLE = "results.csv"
PAGE = "report.html"
RESULTS = (CSV_TABLE, PAGE)


def refuse_strangers(out: Path) -> None:
    """Raise OutputError for files called as ours, before the first batch in a folder."""
    if there := [name for name in RESULTS if (out / name).exists()]:
        raise OutputError(
            f"'{out / there[0]}' is there already, and no batch was run there; name another output "
            "folder, or use --overwrite."
        )


def write_csv(rows: Iterable[Row], out: Path) -> Path:
    """Write `results.csv` into the output folder; a reader finds the old one whole or the new."""
    path = out / CSV_TABLE
    with (
        atomic_outputs() as staged,
        staged(path).open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, list(COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: cell(row[name]) for name in COLUMNS} for row in rows)
    return path


def write_results(rows: Callable[[], Iterable[Row]], out: Path) -> Path | None:
    """Write `results.csv` and, where Jinja2 is installed, `report.html`, whose path is returned.

    `rows` gives the rows anew each time, so that no list of them is kept.
    """
    spans = Spans(rows())
    write_csv(map(spans.noted, rows()), out)
    if importlib.util.find_spec("jinja2") is None:
        return None
    from .report_page import write_report

    write_report(map(spans.noted, rows()), out / PAGE)
    return out / PAGE
