"""What somebody decided on the report page, read back from its CSV."""

from __future__ import annotations

import csv
from pathlib import Path

from ..errors import InputError

REJECT = "reject"


def rejected_names(path: Path) -> set[str]:
    """Names of the scans that were rejected.

    Parameters
    ----------
    path : Path
        CSV with the columns `name` and `decision` (accept or reject).

    Raises
    ------
    InputError
        It cannot be read, or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
            columns = set(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"The decisions '{path}' cannot be read ({error}); export them on the report page, "
            "and name the file with --decisions."
        ) from error
    if missing := {"name", "decision"} - columns:
        raise InputError(f"The decisions '{path}' have no column '{sorted(missing)[0]}'.")
    return {row["name"] for row in rows if (row["decision"] or "").strip().lower() == REJECT}
