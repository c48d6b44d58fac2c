"""The files through which a caller and its child process hand volumes over.

NumPy's arrays one after the other: exact, readable where no image library is installed, as in
Slicer's own process, and a quarter of the time of its archives, which take a checksum of each.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError, reason_of
from ..grid.volume import Volume


class Extracted(NamedTuple):
    """What a child process found; all of shape (I, J, K)."""

    brain_mask: np.ndarray  # bool
    brain_probability: np.ndarray  # float32; in [0, 1]
    brain_confidence: np.ndarray | None = None  # the same, where it was asked for


def write_volume(path: Path, volume: Volume, brain_mask: np.ndarray | None = None) -> None:
    """Write voxels (I, J, K) and affine (4, 4), perhaps a mask, too."""
    _write(path, (volume.array, volume.affine, brain_mask))


def read_volume(path: Path) -> Volume:
    """Read what `write_volume` wrote; raise InputError where it is missing or broken."""
    array, affine, *_ = _read(path, 2)
    return Volume(array, affine)


def read_mask(path: Path) -> np.ndarray:
    """Read the mask that `write_volume` wrote, bool (I, J, K); InputError where there is none."""
    return _read(path, 3)[2].astype(bool)


def write_extracted(path: Path, extracted: Extracted) -> None:
    """Write mask, probability and confidence."""
    _write(path, extracted)


def read_extracted(path: Path) -> Extracted:
    """Read what `write_extracted` wrote; raise InputError where it is missing or broken."""
    return Extracted(*_read(path, 2))


def _write(path: Path, arrays: Iterable[np.ndarray | None]) -> None:
    with path.open("wb") as file:
        for array in arrays:
            if array is not None:
                np.save(file, array)


def _read(path: Path, least: int) -> list[np.ndarray]:
    """Return all arrays of a file, at least so many."""
    arrays: list[np.ndarray] = []
    try:
        with path.open("rb") as file:
            while file.peek(1) or len(arrays) < least:
                arrays.append(np.lib.format.read_array(file, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a volume handed over ({reason_of(error)})."
        ) from error
    return arrays
