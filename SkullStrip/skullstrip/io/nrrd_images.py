"""NRRD through pynrrd, whose space is turned into the RAS+ affine that the library uses."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from ..checks.input_checks import Check
from ..errors import InputError
from .nrrd_voxels import read_voxels

# Sign of each world axis against right, anterior, superior.
_SPACES = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}
_MAX_HEADER_BYTES = 2**22  # of text; scanners' key/value pairs take a few kB
_DTYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
# Fields that describe the source's file rather than its image.
_FILE_FIELDS = ("endian", "data file", "datafile", "byte skip", "byteskip", "line skip", "lineskip")
_VALUE_FIELDS = ("min", "max", "old min", "oldmin", "old max", "oldmax")


def read_errors() -> tuple[type[Exception], ...]:
    """What pynrrd raises on a file that it cannot make sense of."""
    import nrrd

    return (nrrd.NRRDError,)


class Reader:
    """An opened file: its header is read, its voxels are not.

    Attributes
    ----------
    shape : tuple of int
        As stored, axes of one colour or frame included.
    dtype : numpy.dtype
    affine : ndarray of float64, shape (4, 4)
    has_orientation : bool
        False when the header names none, so that the affine is the one nibabel would assume.
    checks : tuple of Check
        What the header says against itself: nothing, since NRRD states its spacing once.
    header : dict
    """

    def __init__(self, path: Path) -> None:
        import nrrd

        self._path = path
        with path.open("rb") as file:
            start = io.BytesIO(file.read(_MAX_HEADER_BYTES))
        self.header: dict[str, Any] = nrrd.read_header(start)
        self._behind_header = start.tell()
        self.shape = tuple(int(size) for size in self.header["sizes"])
        self.dtype = nrrd.reader._determine_datatype(self.header)
        affine = _affine(self.header)
        self.has_orientation = affine is not None
        self.affine = _default_affine(self.header) if affine is None else affine
        self.checks: tuple[Check, ...] = ()

    def read(self) -> tuple[np.ndarray, float, float]:
        """Stored voxels; NRRD has no scaling, so slope 1 and intercept 0."""
        voxels = read_voxels(self._path, self.header, self._behind_header, self.dtype)
        return voxels, 1.0, 0.0


def write(
    path: Path,
    stored: np.ndarray,
    scaling: tuple[float, float],  # noqa: ARG001  (one signature for all formats)
    affine: np.ndarray,
    source_header: object,
) -> None:
    """Write stored voxels; a NRRD source's header is kept, another's affine is written as LPS."""
    import nrrd

    if isinstance(source_header, dict):
        skipped = (*_FILE_FIELDS, *_VALUE_FIELDS)
        header = {key: value for key, value in source_header.items() if key not in skipped}
    else:
        header = _header_from_affine(affine, stored.ndim)
    if path.suffix.lower() == ".nhdr":
        header["encoding"] = "gzip"  # the data file is called by it, see `io.files_of`
    nrrd.write(str(path), stored, header, compression_level=6)


def can_store(
    path: Path,  # noqa: ARG001
    dtype: np.dtype,
    scaling: tuple[float, float],
    header: object,  # noqa: ARG001
) -> bool:
    """Whether NRRD holds this dtype with this slope and intercept; it has no scaling."""
    return scaling == (1.0, 0.0) and dtype.kind + str(dtype.itemsize) in _DTYPES


def _affine(header: dict[str, Any]) -> np.ndarray | None:
    space = str(header.get("space", "")).lower()
    directions = header.get("space directions")
    if directions is None or space not in _SPACES:
        return None
    # Axes that are not in space (one colour, one frame) have no direction.
    rows = [row for row in directions if row is not None and np.isfinite(row).all()]
    if len(rows) != 3 or any(len(row) != 3 for row in rows):
        raise InputError(
            f"The NRRD header has {len(rows)} axes in space; give an image with three."
        )
    affine = np.eye(4)
    affine[:3, :3] = np.array(rows, dtype=np.float64).T
    affine[:3, 3] = header.get("space origin", np.zeros(3))
    affine[:3] *= np.array(_SPACES[space], dtype=np.float64)[:, None]
    return affine


def _header_from_affine(affine: np.ndarray, dimensions: int) -> dict[str, Any]:
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    directions = np.full((dimensions, 3), np.nan)
    directions[:3] = lps[:3, :3].T
    return {
        "space": "left-posterior-superior",
        "kinds": ["domain"] * 3 + ["list"] * (dimensions - 3),
        "space directions": directions,
        "space origin": lps[:3, 3],
        "encoding": "gzip",
    }


def _default_affine(header: dict[str, Any]) -> np.ndarray:
    """Left, anterior, superior, centred: what nibabel assumes of a file that does not say."""
    steps = np.array([(size, _spacing(header, axis)) for axis, size in enumerate(header["sizes"])])
    if len(steps) < 3:
        return np.eye(4)  # no volume, which the checks refuse
    while len(steps) > 3 and steps[-1, 0] == 1:  # one frame, see `io.spatial_shape`
        steps = steps[:-1]
    size, spacing = steps[-3:].T
    spacing = spacing * (-1.0, 1.0, 1.0)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -spacing * (size - 1) / 2
    return affine


def _spacing(header: dict[str, Any], axis: int) -> float:
    """Of an axis, which a direction tells even where the space it lies in is unknown."""
    directions, spacings = header.get("space directions"), header.get("spacings")
    if directions is not None and directions[axis] is not None:
        spacing = float(np.linalg.norm(directions[axis]))
    else:
        spacing = 1.0 if spacings is None else float(spacings[axis])
    return spacing if np.isfinite(spacing) else 1.0
