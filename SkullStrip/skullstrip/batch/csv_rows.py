"""CSV that people made, in a spreadsheet perhaps: the scans to strip, the decisions on them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..io.limits import require_regular

SEPARATORS = ",;\t"  # a spreadsheet's own, which differs between countries


def read_rows(path: Path, needed: Sequence[str], advice: str) -> list[dict[str, str]]:
    """Return rows of a table by its head; what a row lacks is empty.

    Parameters
    ----------
    path : Path
        UTF-8, with or without a byte order mark.
    needed : sequence of str
        Columns that must be there.
    advice : str
        What to do if the table cannot be read, after "; ".

    Raises
    ------
    InputError
        It cannot be read, or lacks a column.
    """
    try:
        require_regular(path)
        with path.open(newline="", encoding="utf-8-sig") as stream:
            head = stream.readline()
            stream.seek(0)
            separator = max(SEPARATORS, key=head.count)
            reader = csv.DictReader(stream, delimiter=separator, restval="")
            rows = list(reader)
            columns = reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table ({error}); {advice}.") from error
    if missing := [column for column in needed if column not in columns]:
        raise InputError(f"{path} has no column '{missing[0]}'; {advice}.")
    return rows
