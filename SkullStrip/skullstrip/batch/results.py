"""What is written about all scans of an output folder: table and page.

Where volumes of one person differ by more than their intervals explain, their rows say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..errors import OutputError
from .records import COLUMNS, FAILED, Row
from .report_page import write_report
from .tables import cell, write_rows

CSV_TABLE = "results.csv"
PAGE = "report.html"
RESULTS = (CSV_TABLE, PAGE)
UNLIKE = "unlike"  # a key of rows for the page, and no column of the table


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
    volumes = Volumes(rows())
    write_csv(map(volumes.compared, rows()), out)
    write_report(map(volumes.compared, rows()), out / PAGE)
    return out / PAGE


def write_csv(rows: Iterable[Row], out: Path) -> Path:
    """Write `results.csv` into the output folder, and return its path."""
    cells = ({name: cell(row[name]) for name in COLUMNS} for row in rows)
    write_rows(out / CSV_TABLE, COLUMNS, cells)
    return out / CSV_TABLE


class Volumes:
    """The highest lower end and the lowest upper end of each person's volumes, in mL.

    Volumes count that have an interval: those of masks as the network found them.
    """

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self._largest: dict[str, tuple[float, str]] = {}
        self._smallest: dict[str, tuple[float, str]] = {}
        for row in rows:
            if ends := _ends(row):
                low, high, text = ends
                whose = row["subject"]
                self._largest[whose] = max(self._largest.get(whose, (low, text)), (low, text))
                self._smallest[whose] = min(self._smallest.get(whose, (high, text)), (high, text))

    def compared(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row, with a sentence where another scan of the person is unlike this one."""
        ends = _ends(row)
        if ends is None:
            return row
        lowest, large = self._largest[row["subject"]]
        highest, small = self._smallest[row["subject"]]
        if ends[0] <= highest and ends[1] >= lowest:
            return row
        note = (
            f"Volumes of this person differ by more than their intervals explain: {small} and "
            f"{large}; look at both outlines, and whether both are of one person."
        )
        message = " ".join(filter(None, (row["message"], note)))
        return row | {"message": message, UNLIKE: UNLIKE}


def _ends(row: dict[str, Any]) -> tuple[float, float, str] | None:
    volume_ml, error_ml = row["volume_ml"], row["volume_error_ml"]
    if not row["subject"] or row["status"] == FAILED or volume_ml is None or error_ml is None:
        return None
    return volume_ml - error_ml, volume_ml + error_ml, f"{volume_ml:.0f} ± {error_ml:.0f} mL"
