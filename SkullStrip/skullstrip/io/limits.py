"""How much a file may ask for: voxels, and bytes of header, before memory is spent on it.

A few bytes can ask for terabytes: by the sizes in a header, or by compression (a file of zeros
shrinks a thousandfold). What is read of a file is therefore bounded before it is read.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InputError

MAX_VOXELS = 2**28  # 645 x 645 x 645: up to 8 GB of memory
MAX_VOXELS_VARIABLE = "SKULLSTRIP_MAX_VOXELS"
MAX_HEADER_BYTES = 64 * 2**20  # real ones with all their extensions have a few MB at most
MAX_REST_BYTES = 64 * 2**20  # looked at behind the voxels, for the checksum at the end
MAX_SHRINKAGE = 1100  # deflate's limit is 1032
CHUNK_BYTES = 2**20


def max_voxels() -> int:
    """The largest number of voxels that is read, which the environment may raise.

    Raises
    ------
    InputError
        The environment's value is no number.
    """
    text = os.environ.get(MAX_VOXELS_VARIABLE, str(MAX_VOXELS))
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise InputError(f"{MAX_VOXELS_VARIABLE} is '{text}'; give a positive whole number.")
    return int(text)


def require_bytes(path: Path, wanted: int, *, compressed: bool) -> None:
    """Refuse a file that is too small for what its header names, before memory is asked for.

    Raises
    ------
    InputError
    """
    size = path.stat().st_size
    if size * (MAX_SHRINKAGE if compressed else 1) < wanted:
        raise InputError(
            f"{path} is cut short: its {size:,} bytes cannot hold the {wanted:,} that the header "
            "names; copy or export it again."
        )


def verify_rest(stream: BinaryIO) -> None:
    """Read a compressed stream to its end, where the checksum of everything before it is.

    A stream that goes on for long, as one whose header names too few voxels, is left there.

    Raises
    ------
    OSError
        The checksum does not fit: the file was damaged.
    """
    for _ in range(MAX_REST_BYTES // CHUNK_BYTES):
        if not stream.read(CHUNK_BYTES):
            return


class HeaderStream(io.RawIOBase):
    """A file, opened to read its header: no more than a header's worth of bytes comes out.

    Parameters
    ----------
    file : binary file
        Closed together with this.
    max_position : int
        Nothing further on is sought; compressed files have to be read up to there.
    """

    def __init__(self, file: Any, max_position: int) -> None:
        super().__init__()
        self._file, self._max_position = file, max_position
        self._left = MAX_HEADER_BYTES

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes.

        Raises
        ------
        ValueError
            The header asks for more than any header needs.
        """
        wanted = self._left + 1 if size < 0 else size
        content: bytes = self._file.read(min(wanted, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise ValueError(f"the header has more than {MAX_HEADER_BYTES:,} bytes")
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position.

        Raises
        ------
        ValueError
            It is behind everything that would be read.
        """
        if offset > self._max_position:
            raise ValueError(f"the header points to byte {offset:,}, behind any voxel")
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """Where the next read begins."""
        return int(self._file.tell())

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()
