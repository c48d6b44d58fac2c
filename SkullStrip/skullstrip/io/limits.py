"""Files are opened here, and no more is read of them than an image needs.

In this order: only regular files are opened; a file that its first bytes show to be something else
is named; what a header asks for is held against the file's size before memory is spent. A few bytes
can ask for terabytes, by the sizes in a header or by compression, and for hours, by their number.
"""

from __future__ import annotations

import bz2
import gzip
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import InputError

MAX_VOXELS = 2**28  # 645 x 645 x 645: up to 8 GB of memory
MAX_VOXELS_VARIABLE = "SKULLSTRIP_MAX_VOXELS"
LARGEST_ITEM_BYTES = 32  # complex256
MAX_HEADER_BYTES = 64 * 2**20  # real ones with all their extensions have a few MB at most
MAX_HEADER_READS = 20_000  # an extension takes two; real headers have a few
MAX_TEXT_BYTES = 2**22  # of a header that is text; scanners' key/value pairs take a few kB
MAX_REST_BYTES = 64 * 2**20  # looked at behind the voxels, for the checksum at the end
MAX_SHRINKAGE = 1100  # deflate's limit is 1032; other compressions get no more
CHUNK_BYTES = 2**20
HEAD_BYTES = 1024  # of a file, by which it is recognised

DICOM_START = rb".{128}DICM|[\x02\x08]\0.{,900}1\.2\.840\.10008\."
# What is no image: its first bytes, what it is, and what to do.
ANNEX_POINTER = rb".{0,99}/annex/objects/"
_FOREIGN = (
    (rb"version https://git-lfs", "a Git LFS pointer, not the file itself", "run 'git lfs pull'"),
    (ANNEX_POINTER, "a git-annex pointer, not the file itself",
     "run 'git annex get' or 'datalad get'"),
    (DICOM_START, "a packed DICOM file, or one beside another image", "unpack it"),
    (rb"\s*(<!doctype html|<html)", "a web page, perhaps of a download that failed",
     "download the scan again"),
    (rb"PK\x03\x04|7z\xbc\xaf|Rar!|\xfd7zXZ\0|\x1f\x9d[\x80-\x90]|\x28\xb5\x2f\xfd|.{257}ustar",
     "a packed file of a kind that is not read", "unpack it"),
    (rb"\x89PNG|\xff\xd8\xff|%PDF", "a picture or document", "give the scan itself"),
    (rb"\s*\{\s*\"", "JSON text", "give the image beside it"),
)  # fmt: skip


def max_voxels() -> int:
    """Return the largest number of voxels that is read, which the environment may raise.

    Raise InputError where that is no number.
    """
    text = os.environ.get(MAX_VOXELS_VARIABLE, str(MAX_VOXELS))
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise InputError(f"{MAX_VOXELS_VARIABLE} is '{text}'; give a positive whole number.")
    return int(text)


def require_file(path: Path) -> bytes:
    """Raise InputError for what cannot be an image, before it is opened or by its first bytes.

    Return the first `HEAD_BYTES` of its content, unpacked.
    """
    if path.is_symlink() and not path.exists():
        advice = (
            "run 'git annex get' or 'datalad get'" if lacks_content(path) else "fetch that file"
        )
        raise InputError(f"{path} is a link to a file that is not there; {advice} first.")
    if path.is_dir():
        raise InputError(
            f"{path} is a folder, not a file; give an image file, or use 'skullstrip batch'."
        )
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise InputError(f"{path} {what}; give an image file.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty; copy or export it again.")
    try:
        with open_content(path) as file:
            head = file.read(HEAD_BYTES)
    except PermissionError as error:
        raise InputError(f"{path} cannot be opened: Permission denied.") from error
    for pattern, what, advice in _FOREIGN:
        if re.match(pattern, head, re.IGNORECASE | re.DOTALL):
            raise InputError(f"{path} is {what}; {advice}.")
    return head


def lacks_content(path: Path) -> bool:
    """Return whether a file is a link or a pointer of git-annex to content that is not here."""
    if path.is_symlink() and not path.exists():
        return ".git/annex/" in path.readlink().as_posix()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return re.match(ANNEX_POINTER, file.read(HEAD_BYTES), re.DOTALL) is not None


def require_regular(path: Path) -> None:
    """Raise OSError for a pipe, which might never end, or a device."""
    if path.exists() and not path.is_file():
        raise OSError("it is a folder, a pipe or a device")


def open_content(path: Path) -> BinaryIO:
    """Open a file to read what it holds, unpacked, whatever its ending says."""
    require_regular(path)
    with path.open("rb") as file:
        start = file.read(16)
    known = ((rb"\x1f\x8b\x08", open_gzip), (rb"BZh[1-9]1AY&SY", bz2.open))
    opener: Any = next((opener for magic, opener in known if re.match(magic, start)), open)
    unpacked: BinaryIO = opener(path, "rb")
    return unpacked


def open_gzip(file: Path | BinaryIO, mode: str = "rb") -> BinaryIO:
    """Open a gzip file to read what it holds."""
    unpacked: BinaryIO = _gzip().open(file, mode)
    return unpacked


@contextmanager
def packed(path: Path) -> Iterator[BinaryIO]:
    """Open a gzip file to write: quickly rather than small, and without its name and the time."""
    with path.open("wb") as file, _gzip().GzipFile("", "wb", 1, file, 0) as stream:
        yield stream


def _gzip() -> Any:
    """Return the module of isal where it is installed, several times as quick as Python's own."""
    try:
        from isal import igzip
    except ImportError:
        return gzip
    return igzip


def read_array(
    file: Any, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype, order: Any = "F"
) -> np.ndarray:
    """Read voxels that begin at `offset` in a file of `open_content`, or a stream that unpacks.

    `path` is what lies on disk. A packed stream is read to its end to verify its checksum. Never
    mapped into memory: the file may change or vanish while we work. Raise InputError, OSError,
    EOFError or ValueError where there are too few voxels, or the checksum does not fit.
    """
    if not 0 <= offset <= MAX_HEADER_BYTES:
        raise ValueError(f"the voxels begin at byte {offset:,}, behind any header")
    is_plain = isinstance(file, io.BufferedReader)
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    require_bytes(path, offset + size, compressed=not is_plain)
    file.seek(offset)
    content = np.empty(size, np.uint8)  # takes memory as it is filled
    view, found = memoryview(content), 0  # type: ignore[arg-type]
    while found < size:
        count = file.readinto(view[found : found + CHUNK_BYTES])
        if not count:
            raise EOFError(f"{found:,} bytes of voxels instead of {size:,}")
        found += count
    if not is_plain:  # where a header names too few voxels, a stream may go on for long
        for _ in range(MAX_REST_BYTES // CHUNK_BYTES):
            if not file.read(CHUNK_BYTES):
                break
    return content.view(dtype).reshape(shape, order=order)


def require_bytes(path: Path, wanted: int, *, compressed: bool = False) -> None:
    """Raise InputError for a file that is too small for what its header names."""
    size = path.stat().st_size
    if size * (MAX_SHRINKAGE if compressed else 1) < wanted:
        raise InputError(
            f"{path} is cut short: its {size:,} bytes cannot hold the {wanted:,} that the header "
            "names; copy or export it again."
        )


class BoundedStream(io.RawIOBase):
    """A file, opened to read its header: no more than a header's worth comes out, in few pieces.

    Nothing behind `max_position` is sought: packed files have to be read up to there.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int = MAX_HEADER_BYTES,
        max_position: int | None = None,
        max_reads: int = MAX_HEADER_READS,
    ) -> None:
        super().__init__()
        self.path = path
        self._file = open_content(path)
        self._max_bytes = self._left = max_bytes
        self._max_position = max_bytes if max_position is None else max_position
        self._max_reads = self._reads_left = max_reads

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes; raise ValueError where no header needs so many."""
        self._reads_left -= 1
        if self._reads_left < 0:
            raise ValueError(f"the header has more than {self._max_reads:,} parts")
        wanted = self._left + 1 if size < 0 else min(size, self._left + 1)
        parts = []
        while wanted and (part := self._file.read(min(wanted, CHUNK_BYTES))):
            parts.append(part)
            wanted -= len(part)
            self._left -= len(part)
        if self._left < 0:
            raise ValueError(f"the header has more than {self._max_bytes:,} bytes")
        return b"".join(parts)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; raise ValueError for one behind everything that would be read."""
        if offset > self._max_position:
            raise ValueError(f"the header points to byte {offset:,}, behind any voxel")
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
