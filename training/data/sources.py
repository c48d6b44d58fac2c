"""Training volumes in memory: scans and label maps, RAS+, one byte a voxel."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

DATA_NAME = "data.json"  # what the archives were made from


@dataclass(frozen=True)
class Source:
    """A scan or a label map with its mask.

    Parameters
    ----------
    voxels : ndarray of uint8, shape (X, Y, Z)
        A scan's intensities, [0, 1] as [0, 255], or a label map's codes; RAS+.
    mask : ndarray of uint8, shape (X, Y, Z)
        255 inside the brain mask.
    spacing_mm : ndarray of float32, shape (3,)
    names : tuple of str
        Meaning of each code; empty for a scan.
    age_group : str
        "infant", "adult" or empty where nobody said.
    """

    subject: str
    split: str
    voxels: np.ndarray
    mask: np.ndarray
    spacing_mm: np.ndarray
    names: tuple[str, ...]
    age_group: str = ""

    @property
    def is_labels(self) -> bool:
        """Whether the voxels are codes of tissues, not intensities."""
        return bool(self.names)

    @property
    def extent_mm(self) -> np.ndarray:
        """Size of the field of view, shape (3,)."""
        return self.spacing_mm * np.asarray(self.voxels.shape, dtype=np.float32)

    @cached_property
    def counts(self) -> np.ndarray:
        """Voxels of each code, shape (len(names),)."""
        return np.bincount(self.voxels.ravel(), minlength=len(self.names))

    @cached_property
    def brain_box_mm(self) -> np.ndarray:
        """Lower and upper corner of the brain in mm from the first voxel, shape (2, 3)."""
        corners = np.zeros((2, 3), dtype=np.float32)
        for axis in range(3):
            others = tuple(other for other in range(3) if other != axis)
            occupied = np.flatnonzero(self.mask.any(axis=others))
            corners[:, axis] = occupied[[0, -1]] * self.spacing_mm[axis]
        return corners

    @cached_property
    def brain_outline_mm(self) -> np.ndarray:
        """Corners of the outermost voxels of the brain seen from the side, in mm, shape (n, 2).

        (Y, Z) of the lowest and the highest voxel of each column: no voxel of the brain lies
        beyond all of them in any direction.
        """
        silhouette = np.asarray(self.mask.any(axis=0))
        ends = [
            (row, column)
            for row in np.flatnonzero(silhouette.any(axis=1))
            for column in np.flatnonzero(silhouette[row])[[0, -1]]
        ]
        corners = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)])
        return (np.array(ends)[:, None] + corners).reshape(-1, 2) * self.spacing_mm[1:]


def save_source(source: Source, folder: Path) -> Path:
    """Write a source as a compressed archive without pickled objects."""
    path = folder / f"{source.subject}.npz"
    about = {"split": source.split, "names": source.names, "age_group": source.age_group}
    np.savez_compressed(
        path,
        voxels=source.voxels,
        mask=np.packbits(source.mask > 0),
        spacing_mm=source.spacing_mm,
        about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
    )
    return path


def load_source(path: Path) -> Source:
    """Read what `save_source` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        voxels = archive["voxels"]
        bits = np.unpackbits(archive["mask"], count=voxels.size)
        about = json.loads(archive["about"].tobytes().decode())
        spacing_mm = archive["spacing_mm"].astype(np.float32)
    mask = bits.reshape(voxels.shape) * np.uint8(255)
    names, age_group = tuple(about["names"]), about.get("age_group", "")
    return Source(path.stem, about["split"], voxels, mask, spacing_mm, names, age_group)


def load_sources(folder: Path, splits: tuple[str, ...]) -> list[Source]:
    """Return all sources of the given splits, ordered by subject."""
    loaded = (load_source(path) for path in sorted(folder.glob("*.npz")))
    return [source for source in loaded if source.split in splits]
