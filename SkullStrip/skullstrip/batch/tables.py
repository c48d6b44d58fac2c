"""CSV that people and their spreadsheets write and read."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import InputError
from ..escaping import escaped
from ..io.atomic import atomic_outputs
from ..io.limits import require_regular

SEPARATORS = ",;\t"  # a spreadsheet's own, which differs between countries
FORMULA = ("=", "+", "-", "@")  # what a spreadsheet would work out


def read_rows(path: Path, needed: Sequence[str], advice: str) -> list[dict[str, str]]:
    """Return rows of a CSV that people made, by its head; what a row lacks is empty.

    It is UTF-8, with or without a byte order mark. Raise InputError where it cannot be read or
    lacks a column of `needed`; the sentence ends in `advice`.
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


def write_rows(
    path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]], end: str = "\n"
) -> None:
    """Write a CSV, a line a row; a reader finds the old one whole or the new."""
    with (
        atomic_outputs() as staged,
        staged(path).open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, columns, "", extrasaction="ignore", lineterminator=end)
        writer.writeheader()
        writer.writerows(rows)


def cell(value: object) -> object:
    """Return what a table gets: numbers as they are, texts in one line and never a formula."""
    if not isinstance(value, str):
        return value
    text = escaped(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def text_of(cell: str) -> str:
    """Return a cell's text without the apostrophe that `cell` may have put before it."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(FORMULA) else cell
