"""What is written about all scans of an output folder: table and page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import OutputError
from .columns import COLUMNS, Row
from .report_page import write_report
from .sessions import Spans
from .tables import cell, write_rows

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


def write_results(rows: Callable[[], Iterable[Row]], out: Path) -> Path:
    """Write `results.csv` and `report.html`, whose path is returned.

    `rows` gives the rows anew each time, so that no list of them is kept.
    """
    spans = Spans(rows())
    write_csv(map(spans.noted, rows()), out)
    write_report(map(spans.noted, rows()), out / PAGE)
    return out / PAGE


def write_csv(rows: Iterable[Row], out: Path) -> Path:
    """Write `results.csv` into the output folder, and return its path."""
    cells = ({name: cell(row[name]) for name in COLUMNS} for row in rows)
    write_rows(out / CSV_TABLE, COLUMNS, cells)
    return out / CSV_TABLE
