"""The files through which a caller and its child process hand volumes over.

NumPy's arrays one after the other: exact, readable where no image library is installed, as in
Slicer's own process, and a quarter of the time of its archives, which take a checksum of each.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import InputError, reason_of
from ..grid.volume import Volume


def write_volume(path: Path, volume: Volume, brain_mask: np.ndarray | None = None) -> None:
    """Write voxels (I, J, K) and affine (4, 4), perhaps a mask, too."""
    mask = () if brain_mask is None else (brain_mask,)
    write_arrays(path, (volume.array, volume.affine, *mask))


def read_volume(path: Path) -> Volume:
    """Read what `write_volume` wrote; raise InputError where it is missing or broken."""
    array, affine, *_ = read_arrays(path, 2)
    return Volume(array, affine)


def read_mask(path: Path) -> np.ndarray:
    """Read the mask that `write_volume` wrote, bool (I, J, K); InputError where there is none."""
    return read_arrays(path, 3)[2].astype(bool)


def write_arrays(path: Path, arrays: Iterable[np.ndarray]) -> None:
    """Write arrays one after the other."""
    with path.open("wb") as file:
        for array in arrays:
            np.save(file, array)


def read_arrays(path: Path, least: int) -> list[np.ndarray]:
    """Read all arrays of a file, at least so many; raise InputError where it is broken."""
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
