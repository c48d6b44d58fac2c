"""The results table, as CSV: written beside the old one and put in its place."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from ..io.atomic import atomic_outputs
from ..shown import cell
from .columns import COLUMNS, Row

CSV_TABLE = "results.csv"


def write_csv(rows: Iterable[Row], out: Path) -> Path:
    """Write `results.csv` into the output folder; a reader finds the old one whole or the new.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    path = out / CSV_TABLE
    with (
        atomic_outputs() as staged,
        staged(path).open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, list(COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    return path
