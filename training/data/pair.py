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
HELD_BACK_SPLIT = "truth"  # label maps that nothing trains on
GRID_TOLERANCE_MM = 0.1  # writers round affines to float32, some to a few digits


@dataclass(frozen=True)
class Pair:
    """A scan (or a whole-head label map, which holds labels instead of intensities) and its mask.

    Both are on one grid; the mask is 0 outside the brain. What is unknown is empty.
    """

    subject: str  # the person: splits are made by subject, never by scan or slice
    image: Path
    mask: Path
    scan: str = ""  # unique; the subject where there is one scan of it
    split: str = ""  # "train", "val", "test", or one of those above
    dataset: str = ""
    licence: str = ""
    source: str = ""
    image_sha256: str = ""  # hexadecimal, or its first digits (at least 16)
    mask_sha256: str = ""
    groups: tuple[tuple[str, str], ...] = ()  # further columns, such as age, to judge by

    @property
    def name(self) -> str:
        """The scan's unique name."""
        return self.scan or self.subject

    @property
    def is_label_map(self) -> bool:
        """Whether scans are to be synthesised from it for training."""
        return self.split == LABEL_MAP_SPLIT

    def group(self, column: str) -> str:
        """Return what a further column says; "" where nobody said."""
        return dict(self.groups).get(column, "")


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
    """Read a scan as it came and its mask, bool (X, Y, Z); InputError if on different grids."""
    volume, mask = read_volume(pair.image), read_volume(pair.mask)
    shift = grid_mismatch_mm(volume, mask)
    if shift > GRID_TOLERANCE_MM:
        raise InputError(
            f"The mask of {pair.name} is not on the grid of its image "
            f"(shape {mask.array.shape} against {volume.array.shape}, {shift:.3g} mm apart)."
        )
    return volume, mask.array > 0


def grid_mismatch_mm(first: Volume, second: Volume) -> float:
    """Return how far corresponding corners of two grids lie apart; infinite for other shapes."""
    if first.array.shape != second.array.shape:
        return float("inf")
    last = np.array(first.array.shape) - 1
    corners = np.array([[*(index * last), 1] for index in np.ndindex(2, 2, 2)], dtype=np.float64)
    apart = (corners @ (first.affine - second.affine).T)[:, :3]
    return float(np.linalg.norm(apart, axis=1).max())
