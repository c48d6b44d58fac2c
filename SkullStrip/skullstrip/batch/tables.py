"""CSV that people and their spreadsheets write and read, and what they decided on scans in it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from ..errors import InputError, reason_of
from ..escaping import escaped
from ..io.atomic import atomic_outputs
from ..io.limits import require_regular

SEPARATORS = ",;\t"  # a spreadsheet's own, which differs between countries
FORMULA = ("=", "+", "-", "@")  # what a spreadsheet would work out
DECISIONS = "decisions.csv"  # below the output folder; the report page exports and imports it
ACCEPT, REJECT = "accept", "reject"
COLUMNS = ("name", "path", "decision", "comment", "rater", "decided")  # as the page writes them
NEEDED = ("name", "decision")
ADVICE = "give a file that 'Export decisions' on the report page wrote"


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
        raise InputError(
            f"{path} cannot be read as a table ({reason_of(error)}); {advice}."
        ) from error
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


def read_decisions(path: Path) -> dict[str, str]:
    """Return what was decided, accept or reject, by the scans' names, escaped as in tables.

    Raise InputError where the file cannot be read, or lacks the columns `name` and `decision`.
    """
    rows = read_rows(path, NEEDED, ADVICE)
    given = {name_in(row): row["decision"].strip().lower() for row in rows}
    return {name: decision for name, decision in given.items() if decision in (ACCEPT, REJECT)}


def write_decision(path: Path, scan: dict[str, str], decision: str, rater: str) -> None:
    """Write a decision, "" for none, in the place of an earlier one; all else in the file stays.

    The file is made if it is not there; `scan` is a row of results.csv. Raise InputError where it
    cannot be read or written; it is as it was then.
    """
    rows = read_rows(path, NEEDED, ADVICE) if path.exists() else []
    same = [row for row in rows if name_in(row) == name_in(scan)]
    if not same:
        same = [{"name": scan["name"], "path": scan["path"]}]
        rows += same
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    same[-1].update(decision=decision, rater=str(cell(rater.strip())), decided=now)
    columns = dict.fromkeys([*COLUMNS, *(column for column in rows[0] if column)])
    write_rows(path, [*columns], rows, end="\r\n")


def name_in(row: dict[str, str]) -> str:
    """Return the name of a table's row, escaped."""
    return escaped(text_of(row["name"]))


def comparison(one: Path, other: Path) -> Iterator[str]:
    """Yield how far two raters' files agree, and a line for each scan where they don't.

    Cohen's kappa is 1 where they agree on all and 0 where they do so as often as by chance. Raise
    InputError for a file that cannot be read, and where no scan is decided in both.
    """
    first, second = read_decisions(one), read_decisions(other)
    both = sorted(first.keys() & second.keys())
    if not both:
        raise InputError(f"No scan is decided in both {one} and {other}; {ADVICE}.")
    unlike = [name for name in both if first[name] != second[name]]
    agreed = 1 - len(unlike) / len(both)
    left, right = (
        sum(each[name] == ACCEPT for name in both) / len(both) for each in (first, second)
    )
    chance = left * right + (1 - left) * (1 - right)
    kappa = "Cohen's kappa is not defined where all is decided alike"
    if chance < 1:
        kappa = f"Cohen's kappa {(agreed - chance) / (1 - chance):.2f}"
    yield (
        f"Both decided {len(both)} scans, {len(both) - len(unlike)} of them alike ({agreed:.0%}); "
        f"{kappa}. One alone decided {len(first.keys() ^ second.keys())}."
    )
    for name in unlike:
        yield f"{name}: {first[name]} in {one}, {second[name]} in {other}"
