"""Whether a file is still the one it was: size and time tell at once, its hash tells for sure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ..io.images import files_read
from ..io.limits import require_regular

CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class FileState:
    """An image as it lies on disk, all the files it consists of taken together.

    Parameters
    ----------
    size : int
        Bytes.
    mtime_ns : int
        Of the file that changed last.
    sha256 : str
    """

    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileState:
        """Read a file's state; hashing reads all of it."""
        return cls(*stat_of(path), sha256_of(path))

    def still_holds(self, path: Path) -> bool:
        """Return whether the content is the same, read only where size and time leave doubt."""
        try:
            size, mtime_ns = stat_of(path)
            if size != self.size:
                return False
            return mtime_ns == self.mtime_ns or sha256_of(path) == self.sha256
        except OSError:
            return False


def stat_of(path: Path) -> tuple[int, int]:
    """Bytes, and the latest time of change in ns.

    Raises
    ------
    OSError
        A file is missing.
    """
    found = [file.stat() for file in files_read(path)]
    return sum(status.st_size for status in found), max(status.st_mtime_ns for status in found)


def sha256_of(path: Path) -> str:
    """Hash of the content, of all files that the image consists of."""
    digest = hashlib.sha256()
    for file in files_read(path):
        require_regular(file)
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
