"""What is written about all scans of an output folder: tables and page."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

from .columns import Row
from .table import write_csv, write_parquet

PAGE = "report.html"


def write_results(rows: Callable[[], Iterable[Row]], out: Path) -> Path | None:
    """Write `results.csv`, and `results.parquet` and `report.html` where their libraries are.

    Parameters
    ----------
    rows : callable
        Gives the rows anew each time, so that no list of them is kept.
    out : Path

    Returns
    -------
    Path or None
        The page.

    Raises
    ------
    OutputError
        Something cannot be written.
    """
    write_csv(rows(), out)
    write_parquet(rows(), out)
    if importlib.util.find_spec("jinja2") is None:
        return None
    from .report_page import write_report

    write_report(rows(), out / PAGE)
    return out / PAGE
