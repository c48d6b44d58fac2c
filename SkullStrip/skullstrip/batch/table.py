"""The results table, as CSV and as Parquet: written beside the old one and put in its place."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ..io.atomic import atomic_outputs
from ..shown import cell
from .columns import COLUMNS, REAL, WHOLE, Row

CSV_TABLE, PARQUET_TABLE = "results.csv", "results.parquet"
ROWS_AT_ONCE = 5000


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


def write_parquet(rows: Iterable[Row], out: Path) -> Path | None:
    """Write `results.parquet`; None where pyarrow is not installed.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    if importlib.util.find_spec("pyarrow") is None:
        return None
    import pyarrow
    import pyarrow.parquet

    types = {REAL: pyarrow.float64(), WHOLE: pyarrow.int64()}
    fields = [(name, types.get(kind, pyarrow.string())) for name, kind in COLUMNS.items()]
    schema = pyarrow.schema(fields)
    path = out / PARQUET_TABLE
    with (
        atomic_outputs() as staged,
        pyarrow.parquet.ParquetWriter(str(staged(path)), schema) as writer,
    ):
        for some in _chunks(rows):
            writer.write_table(pyarrow.Table.from_pylist(some, schema=schema))
    return path


def _chunks(rows: Iterable[Row]) -> Iterator[list[Any]]:
    iterator = iter(rows)
    while some := list(islice(iterator, ROWS_AT_ONCE)):
        yield some
