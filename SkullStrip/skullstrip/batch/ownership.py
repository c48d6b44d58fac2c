"""What a batch may write: no input of its own, and no file that it did not make.

A file is ours as long as it is what the ledger says we wrote. What a scan's worker was writing when
everything was killed is not in the ledger; it is known by the claim made before, unless it has been
changed much later.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from ..errors import OutputError
from ..files import identity
from ..io.images import files_of, files_read
from .ledger import Entry, Ledger
from .scans import Scan

CLAIM_SECONDS = 3600.0  # within which a claimed output was written, and not corrected by hand


class Ownership:
    """Says whose the files in an output folder are.

    Parameters
    ----------
    ledger : Ledger or None
        None where nothing was ever done.
    inputs : iterable of str
        All files that the batch reads, scans and tables.
    """

    def __init__(self, out: Path, ledger: Ledger | None, inputs: Iterable[str] = ()) -> None:
        self.out, self._ledger = out, ledger
        self._inputs = set(inputs)

    def strangers(self, scan: Scan, entry: Entry | None) -> list[str]:
        """Return the outputs of a scan that are there, and not ours to replace."""
        return [path for path in scan.outputs if self.is_stranger(path, scan, entry)]

    def is_stranger(self, path: str, scan: Scan, entry: Entry | None) -> bool:
        """Return whether an output is there and is not, or no longer, what we wrote."""
        if not there(self.out / path):
            return False
        state = entry.outputs.get(path) if entry else None
        if state and state.still_holds(self.out / path):
            return False
        return not self._is_claimed(path, scan)

    def refuse_inputs(self, paths: Iterable[str]) -> None:
        """Raise OutputError for a file that this batch reads."""
        for path in paths:
            for file in files_of(self.out / path):
                is_input = str(file) in self._inputs
                if is_input or (os.path.lexists(file) and identity(file) in self._identities):
                    raise OutputError(
                        f"{file} would be replaced, which this batch reads; name another output "
                        "folder."
                    )

    @cached_property
    def _identities(self) -> set[object]:
        return {identity(file) for path in self._inputs for file in files_read(Path(path))}

    def _is_claimed(self, path: str, scan: Scan) -> bool:
        claimed = self._ledger.claims(scan.name).get(path) if self._ledger else None
        latest = max(file.lstat().st_mtime for file in there(self.out / path))
        return claimed is not None and latest < claimed + CLAIM_SECONDS


def there(path: Path) -> list[Path]:
    """Return the files written under an image's name that are there."""
    return [file for file in files_of(path) if os.path.lexists(file)]
