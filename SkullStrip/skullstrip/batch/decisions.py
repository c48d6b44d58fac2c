"""What somebody decided on the report page, read back from its CSV."""

from __future__ import annotations

from pathlib import Path

from ..shown import from_cell, shown
from .csv_rows import read_rows

REJECT = "reject"
ADVICE = "export the decisions on the report page, and name the file with --decisions"


def rejected_names(path: Path) -> set[str]:
    """Names of the scans that were rejected, as `shown` shows them.

    Parameters
    ----------
    path : Path
        CSV with the columns `name` and `decision` (accept or reject).

    Raises
    ------
    InputError
        It cannot be read, or lacks a column.
    """
    rows = read_rows(path, ("name", "decision"), ADVICE)
    rejected = (row["name"] for row in rows if row["decision"].strip().lower() == REJECT)
    return {shown(from_cell(name)) for name in rejected}
