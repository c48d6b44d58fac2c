"""What is written about all scans of an output folder: table and page."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import OutputError
from .columns import Row
from .table import CSV_TABLE, write_csv

PAGE = "report.html"
RESULTS = (CSV_TABLE, PAGE)


def refuse_strangers(out: Path) -> None:
    """Refuse a folder that has files called as ours, before the first batch there.

    Raises
    ------
    OutputError
    """
    if there := [name for name in RESULTS if (out / name).exists()]:
        raise OutputError(
            f"'{out / there[0]}' is there already, and no batch was run there; name another output "
            "folder, or use --overwrite."
        )


def write_results(rows: Callable[[], Iterable[Row]], out: Path) -> Path | None:
    """Write `results.csv`, and `report.html` where Jinja2 is installed.

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
    if importlib.util.find_spec("jinja2") is None:
        return None
    from .report_page import write_report

    write_report(rows(), out / PAGE)
    return out / PAGE
