"""What people decided on scans: the table that the report page exports and imports."""

from __future__ import annotations

import csv
from datetime import datetime, timezone
from pathlib import Path

from ..io.atomic import atomic_outputs
from ..shown import cell, from_cell, shown
from .scans import read_rows

DECISIONS = "decisions.csv"  # below the output folder
ACCEPT, REJECT = "accept", "reject"
COLUMNS = ("name", "path", "decision", "comment", "rater", "decided")  # as the page writes them
NEEDED = ("name", "decision")
ADVICE = "give a file that 'Export decisions' on the report page wrote"


def read_decisions(path: Path) -> dict[str, str]:
    """Return what was decided, accept or reject, by the names of scans as `shown` shows them.

    Raise InputError where the file cannot be read, or lacks the columns `name` and `decision`.
    """
    rows = read_rows(path, NEEDED, ADVICE)
    given = {named(row["name"]): row["decision"].strip().lower() for row in rows}
    return {name: decision for name, decision in given.items() if decision in (ACCEPT, REJECT)}


def write_decision(path: Path, scan: dict[str, str], decision: str, rater: str) -> None:
    """Write a decision, "" for none, in the place of an earlier one; all else in the file stays.

    The file is made if it is not there; `scan` is a row of results.csv. Raise InputError where it
    cannot be read or written; it is as it was then.
    """
    rows = read_rows(path, NEEDED, ADVICE) if path.exists() else []
    same = [row for row in rows if named(row["name"]) == named(scan["name"])]
    if not same:
        same = [{"name": scan["name"], "path": scan["path"]}]
        rows += same
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    same[-1].update(decision=decision, rater=str(cell(rater.strip())), decided=now)
    columns = dict.fromkeys([*COLUMNS, *(column for column in rows[0] if column)])
    with (
        atomic_outputs() as staged,
        staged(path).open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, list(columns), restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def named(text: str) -> str:
    """Return the name that a table's cell holds, as `shown` shows it."""
    return shown(from_cell(text))
