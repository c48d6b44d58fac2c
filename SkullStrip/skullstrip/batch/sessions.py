"""Scans of one person: whose volumes differ by more than their intervals explain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .columns import FAILED

UNLIKE = "unlike"  # a key of rows for the page, and no column of the table


class Spans:
    """The highest lower end and the lowest upper end of each person's volumes, in mL.

    Volumes count that have an interval: those of masks as the network found them.

    Parameters
    ----------
    rows : iterable of dict
        With the columns of results.csv.
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

    def noted(self, row: dict[str, Any]) -> dict[str, Any]:
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
