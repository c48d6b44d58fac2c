"""The voxels of a NRRD file, read within bounds.

pynrrd inflates whatever follows the header into memory, opens whatever file the header names and
skips as many lines as it says; here no more is read than the header's sizes allow.
"""

from __future__ import annotations

import bz2
import gzip
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import InputError
from .limits import MAX_HEADER_BYTES, require_bytes, verify_rest

_INFLATERS: dict[str, Any] = {
    **dict.fromkeys(("gzip", "gz"), gzip.open),
    **dict.fromkeys(("bzip2", "bz2"), bz2.open),
}
_TEXT = ("ascii", "text", "txt")
MAX_LINES, MAX_LINE_BYTES = 2**16, 2**16  # of a header


def read_voxels(path: Path, header: dict[str, Any], start: int, dtype: np.dtype) -> np.ndarray:
    """Voxels of the header's sizes, first axis fastest.

    Parameters
    ----------
    path : Path
        The header's file.
    header : dict
        From pynrrd.
    start : int
        Byte behind the header, where the voxels begin unless they are in a file of their own.
    dtype : numpy.dtype
        As stored.

    Raises
    ------
    InputError, OSError, EOFError, ValueError
        There are too few voxels, the checksum does not fit, or the encoding is unknown.
    """
    shape = tuple(int(size) for size in header["sizes"])
    named = _field(header, "data file")
    with (_data_file(path, str(named)) if named else path).open("rb") as file:
        if not named:
            file.seek(start)
        _skip_lines(file, int(_field(header, "line skip") or 0))
        voxels = _decode(file, header, int(np.prod(shape, dtype=object)), dtype)
    return voxels.reshape(shape, order="F")


def data_file_of(path: Path) -> Path | None:
    """The file beside a header that it names for its voxels, if it does and the file is there."""
    try:
        with path.open("rb") as file:
            for _ in range(MAX_LINES):
                key, _, name = file.readline(MAX_LINE_BYTES).strip().partition(b":")
                if key.strip().lower() in (b"data file", b"datafile"):
                    return _data_file(path, os.fsdecode(name.strip()))
                if not key:  # the header's end
                    break
    except (InputError, OSError, ValueError):  # whoever reads the image says so
        pass
    return None


def _field(header: dict[str, Any], name: str) -> Any:
    return header.get(name, header.get(name.replace(" ", "")))


def _data_file(path: Path, name: str) -> Path:
    """The file beside the header that holds the voxels; a header names no others.

    Otherwise a header from elsewhere could name a device, or a file on another machine.
    """
    inside = Path(os.path.normpath(name))
    if inside.is_absolute() or inside.drive or inside.parts[:1] == ("..",):
        raise InputError(
            f"{path} names voxels outside its own folder ('{name}'); put them beside it."
        )
    if not (path.parent / inside).is_file():
        raise InputError(
            f"{path} names the voxels' file '{name}', which is not there; copy it too."
        )
    return path.parent / inside


def _skip_lines(file: BinaryIO, count: int) -> None:
    for _ in range(count):
        if not file.readline(MAX_HEADER_BYTES):
            return


def _decode(file: Any, header: dict[str, Any], count: int, dtype: np.dtype) -> np.ndarray:
    encoding = str(header["encoding"]).lower()
    skip = int(_field(header, "byte skip") or 0)
    if not -1 <= skip <= MAX_HEADER_BYTES or (skip == -1 and encoding != "raw"):
        raise ValueError(f"a byte skip of {skip} before {encoding} voxels is not supported")
    path, size = Path(file.name), count * dtype.itemsize
    if encoding in _TEXT:
        require_bytes(path, count, compressed=False)
        file.seek(skip, os.SEEK_CUR)
        return np.fromfile(file, dtype, count=count, sep=" ")
    if encoding in _INFLATERS:
        if _INFLATERS[encoding] is gzip.open:
            require_bytes(path, size, compressed=True)
        with _INFLATERS[encoding](file) as stream:
            stream.seek(skip)
            voxels = _read_exactly(stream, size, dtype)
            verify_rest(stream)
            return voxels
    if encoding != "raw":
        raise ValueError(f"the encoding '{encoding}' is unknown")
    require_bytes(path, size, compressed=False)
    file.seek(-size if skip == -1 else skip, os.SEEK_END if skip == -1 else os.SEEK_CUR)
    return _read_exactly(file, size, dtype)


def _read_exactly(stream: Any, size: int, dtype: np.dtype) -> np.ndarray:
    content = bytearray(size)
    found = stream.readinto(content)
    if found != size:
        raise EOFError(f"{found:,} bytes of voxels instead of {size:,}")
    return np.frombuffer(content, dtype)
