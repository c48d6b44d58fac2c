"""A scan with its brain mask: their files, the hashes of these, and both on one grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skullstrip.batch.records import sha256_of
from skullstrip.errors import InputError
from skullstrip.grid.volume import Volume
from skullstrip.io.images import read_image

LABEL_MAP_SPLIT = "labelmap"
GRID_TOLERANCE_MM = 0.1  # writers round affines to float32, some to a few digits


@dataclass(frozen=True)
class Pair:
    """A T1 scan (or a whole-head label map) and its brain mask.

    Parameters
    ----------
    subject : str
        The person scanned; splits are made by subject, never by scan or slice.
    image, mask : Path
        Files on the same grid; the mask is 0 outside the brain and 1 inside.
    scan : str
        Unique name of the scan; the subject where there is one scan per subject.
    split : str
        ``train``, ``val``, ``test``, ``labelmap`` or empty where none is given.
    dataset, licence, source : str
        Where the scan comes from and what may be done with it; empty if unknown.
    image_sha256, mask_sha256 : str
        Hexadecimal digests, or their first digits (at least 16); empty if unknown.
    groups : tuple of (str, str)
        Further columns of the manifest, such as age or scanner, to judge by subgroup.
    """

    subject: str
    image: Path
    mask: Path
    scan: str = ""
    split: str = ""
    dataset: str = ""
    licence: str = ""
    source: str = ""
    image_sha256: str = ""
    mask_sha256: str = ""
    groups: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The scan's unique name."""
        return self.scan or self.subject

    @property
    def is_label_map(self) -> bool:
        """Whether `image` holds labels instead of intensities."""
        return self.split == LABEL_MAP_SPLIT


def altered_files(pair: Pair) -> tuple[Path, ...]:
    """Return the pair's files whose bytes differ from the manifest's hash."""
    listed = ((pair.image, pair.image_sha256), (pair.mask, pair.mask_sha256))
    return tuple(
        path for path, digest in listed if digest and not sha256_of(path).startswith(digest)
    )


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
