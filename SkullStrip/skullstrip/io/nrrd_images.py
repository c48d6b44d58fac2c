"""NRRD through pynrrd, whose space is turned into the RAS+ affine that the library uses.

Only voxels are not read by pynrrd: it inflates whatever follows the header into memory, opens
whatever file the header names and skips as many lines as it says.
"""

from __future__ import annotations

import bz2
import io
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..checks.input_checks import NO_ORIENTATION
from ..errors import InputError
from ..grid.volume import spatial_axes
from . import limits
from .limits import MAX_HEADER_BYTES, MAX_TEXT_BYTES, require_file

# Sign of each world axis against right, anterior, superior.
_SPACES = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}
_DTYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
# Fields that describe the source's file or values rather than its image.
_SOURCE_FIELDS = ("endian", "datafile", "byteskip", "lineskip", "min", "max", "oldmin", "oldmax")
_GEOMETRY = (
    *("type", "dimension", "sizes", "encoding", "kinds", "space", "spacedimension"),
    *("spacedirections", "spaceorigin", "spaceunits", "spacings", "axismins", "axismaxs"),
)
_INFLATERS: dict[str, Any] = {
    **dict.fromkeys(("gzip", "gz"), limits.open_gzip),
    **dict.fromkeys(("bzip2", "bz2"), bz2.open),
}


class Reader:
    """An opened file; `images` says what a reader has."""

    def __init__(self, path: Path) -> None:
        import nrrd

        self._path = path
        self.header, self._behind_header = _read_header(path)
        self.shape = tuple(int(size) for size in self.header["sizes"])
        self.dtype = nrrd.reader._determine_datatype(self.header)
        affine = _affine(self.header)
        self.affine = _default_affine(self.header) if affine is None else affine
        self.checks = () if affine is not None else (NO_ORIENTATION,)

    def read(self) -> tuple[np.ndarray, float, float]:
        """Return stored voxels, first axis fastest; NRRD has no scaling: slope 1, intercept 0."""
        named = _data_file(self._path, self.header)
        path = named or self._path
        encoding = str(self.header["encoding"]).lower()
        skip = int(_field(self.header, "byteskip") or 0)
        if not -1 <= skip <= MAX_HEADER_BYTES or (skip == -1 and encoding != "raw"):
            raise ValueError(f"a byte skip of {skip} before {encoding} voxels is not supported")
        count = int(np.prod(self.shape, dtype=object))
        with ExitStack() as stack:
            file = stack.enter_context(named.open("rb") if named else limits.open_content(path))
            file.seek(0 if named else self._behind_header)
            for _ in range(int(_field(self.header, "lineskip") or 0)):
                if not file.readline(MAX_HEADER_BYTES):
                    break
            start = file.tell() + skip
            if encoding in ("ascii", "text", "txt"):
                limits.require_bytes(path, count)
                file.seek(start)
                text = file.read(MAX_TEXT_BYTES + 32 * count)
                voxels = np.fromstring(text, self.dtype, count, sep=" ")
                return voxels.reshape(self.shape, order="F"), 1.0, 0.0
            if encoding in _INFLATERS:
                file, start = stack.enter_context(_INFLATERS[encoding](file)), skip
            elif encoding != "raw":
                raise ValueError(f"the encoding '{encoding}' is unknown")
            elif skip == -1:
                start = file.seek(0, os.SEEK_END) - count * self.dtype.itemsize
            return limits.read_array(file, path, start, self.shape, self.dtype), 1.0, 0.0


def can_store(_path: Path, _source: Any, dtype: np.dtype, scaling: tuple[float, float]) -> bool:
    """Return whether NRRD holds this dtype with this slope and intercept; it has no scaling."""
    return scaling == (1.0, 0.0) and dtype.kind + str(dtype.itemsize) in _DTYPES


def write(
    path: Path, source: Any, stored: np.ndarray, _scaling: object, affine: np.ndarray
) -> None:
    """Write stored voxels; a NRRD source's header is kept, another's affine is written as LPS."""
    import nrrd

    if isinstance(source, dict):
        header = {key: value for key, value in source.items() if _plain(key) not in _SOURCE_FIELDS}
    else:
        stored = stored.reshape(stored.shape[spatial_axes(stored.shape)])
        lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
        header = {
            "space": "left-posterior-superior",
            "kinds": ["domain"] * 3,
            "space directions": lps[:3, :3].T,
            "space origin": lps[:3, 3],
            "encoding": "gzip",
        }
    if path.suffix.lower() == ".nhdr":
        header["encoding"] = "gzip"  # the data file is called by it, see `images.files_of`
    nrrd.write(str(path), stored, header, compression_level=1)


def geometry_of(header: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that say where the voxels lie, and how they are written."""
    return {key: value for key, value in header.items() if _plain(key) in _GEOMETRY}


def files_read(path: Path) -> tuple[Path, ...]:
    """Return all files that an image consists of: the header may name one for the voxels."""
    named = _data_file(path, _read_header(path)[0])
    return (path,) if named is None else (path, named)


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the header's fields and the byte behind them."""
    import nrrd

    with limits.open_content(path) as file:
        start = io.BytesIO(file.read(MAX_TEXT_BYTES))
    return nrrd.read_header(start), start.tell()


def _plain(key: str) -> str:
    return key.lower().replace(" ", "")


def _field(header: dict[str, Any], name: str) -> Any:
    """Return a field, which may be written with a space or without."""
    return next((value for key, value in header.items() if _plain(key) == name), None)


def _data_file(path: Path, header: dict[str, Any]) -> Path | None:
    """Return the file beside the header that holds the voxels; a header names no others.

    Otherwise a header from elsewhere could name a device, or a file on another machine.
    """
    name = _field(header, "datafile")
    if name is None:
        return None
    name = str(name)
    if name.startswith("LIST") or "%" in name:
        raise InputError(
            f"{path} spreads its voxels over several files ('{name}'); save it as one .nrrd, with "
            "3D Slicer for example."
        )
    inside = Path(os.path.normpath(name))
    if inside.is_absolute() or inside.drive or inside.parts[:1] == ("..",):
        raise InputError(
            f"{path} names voxels outside its own folder ('{name}'); put them beside it."
        )
    data = path.parent / inside
    if not os.path.lexists(data):
        raise InputError(
            f"{path} names the voxels' file '{name}', which is not there; copy it too."
        )
    require_file(data)
    return data


def _affine(header: dict[str, Any]) -> np.ndarray | None:
    """Return the RAS+ affine; None where the header says of no three axes how they lie."""
    signs = _SPACES.get(str(header.get("space", "")).lower())
    # Axes that are not in space (one colour, one frame) have no direction.
    directions = header.get("space directions", ())
    rows = [row for row in directions if row is not None and np.isfinite(row).all()]
    if signs is None or [len(row) for row in rows] != [3, 3, 3]:
        return None
    affine = np.eye(4)
    affine[:3, :3] = np.array(rows, dtype=np.float64).T
    affine[:3, 3] = header.get("space origin", np.zeros(3))
    affine[:3] *= np.array(signs, dtype=np.float64)[:, None]
    return affine


def _default_affine(header: dict[str, Any]) -> np.ndarray:
    """Return what nibabel assumes of a file that says nothing: left, anterior, superior."""
    from nibabel.volumeutils import shape_zoom_affine

    sizes = header["sizes"]
    if len(sizes) < 3:
        return np.eye(4)  # no volume, which the checks refuse
    steps = np.array(header.get("spacings", np.ones(len(sizes))), dtype=np.float64)
    for axis, direction in enumerate(header.get("space directions", ())):  # of an unknown space
        steps[axis] = steps[axis] if direction is None else np.linalg.norm(direction)
    axes = np.arange(len(sizes))[spatial_axes(tuple(sizes))][-3:]
    steps_mm = np.where(np.isfinite(steps), steps, 1.0)[axes]
    return np.asarray(shape_zoom_affine(sizes[axes], steps_mm))
