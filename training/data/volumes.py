"""A pair's image and mask from their files, on one grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skullstrip.errors import InputError
from skullstrip.grid.volume import Volume
from skullstrip.io.images import read_image

from .pair import Pair

GRID_TOLERANCE_MM = 0.1  # writers round affines to float32, some to a few digits


def read_volume(path: Path) -> Volume:
    """Read an image file with the library's own reader."""
    image = read_image(path)
    return Volume(image.array, image.affine)


def read_pair(pair: Pair) -> tuple[Volume, np.ndarray]:
    """Read a scan and its mask.

    Returns
    -------
    volume : Volume
        Values as they came, shape (X, Y, Z).
    mask : ndarray of bool, shape (X, Y, Z)

    Raises
    ------
    InputError
        A file cannot be read, or the two are not on one grid.
    """
    volume, mask = read_volume(pair.image), read_volume(pair.mask)
    shift = grid_mismatch_mm(volume, mask)
    if shift > GRID_TOLERANCE_MM:
        raise InputError(
            f"The mask of {pair.name} is not on the grid of its image "
            f"(shape {mask.array.shape} against {volume.array.shape}, {shift:.3g} mm apart)."
        )
    return volume, mask.array > 0


def grid_mismatch_mm(first: Volume, second: Volume) -> float:
    """Return how far corresponding corner voxels of two grids lie apart, in mm.

    Infinite where the shapes differ, because then voxels have no counterparts.
    """
    if first.array.shape != second.array.shape:
        return float("inf")
    last = np.array(first.array.shape) - 1
    corners = np.array([[*(index * last), 1] for index in np.ndindex(2, 2, 2)], dtype=np.float64)
    apart = (corners @ (first.affine - second.affine).T)[:, :3]
    return float(np.linalg.norm(apart, axis=1).max())
