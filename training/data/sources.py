"""Scans and label maps prepared once for training: RAS+, one byte a voxel, an archive each.

Intensities go through the library's own preprocessing; only resampling is left to the sampler,
which draws slices at random spacings.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from skullstrip.errors import InputError
from skullstrip.grid.orientation import reorient_to_ras
from skullstrip.grid.regions import bounding_box
from skullstrip.grid.volume import Volume
from skullstrip.prepare.preprocess import normalise

from .dataset import DATA_HELP, find_pairs
from .label_codes import head_box, recode
from .pair import Pair, read_pair
from .provenance import describe_pair

DATA_NAME = "data.json"  # what the archives were made from


@dataclass(frozen=True)
class Source:
    """A scan or a label map with its mask, RAS+; arrays of one shape (X, Y, Z)."""

    subject: str
    split: str
    voxels: np.ndarray  # uint8: a scan's intensities, [0, 1] as [0, 255], or a label map's codes
    mask: np.ndarray  # uint8, 255 inside the brain mask
    spacing_mm: np.ndarray  # float32, shape (3,)
    names: tuple[str, ...]  # meaning of each code; empty for a scan
    age_group: str = ""  # "infant", "adult", or empty where nobody said

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
        box = bounding_box(self.mask)
        ends = [[part.start for part in box], [part.stop - 1 for part in box]]
        return (np.array(ends) * self.spacing_mm).astype(np.float32)

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


def source_from_pair(pair: Pair) -> Source:
    """Read and prepare a pair; raise InputError where it is unreadable or its mask empty."""
    image, mask = read_pair(pair)
    if not mask.any():
        raise InputError(f"The mask of {pair.name} is empty; correct it or leave the scan out.")
    ras_mask = reorient_to_ras(Volume(mask, image.affine))[0].array
    names: tuple[str, ...] = ()
    if pair.is_label_map:
        ras = reorient_to_ras(image)[0]
        box = head_box(ras.array)
        ras_mask = ras_mask[box]
        voxels, names = recode(ras.array[box].astype(np.int32), ras_mask, ras.spacing_mm)
    else:
        ras = normalise(image)[0]
        voxels = np.rint(ras.array * 255).astype(np.uint8)
    return Source(
        subject=pair.name,
        split=pair.split,
        voxels=np.ascontiguousarray(voxels),
        mask=ras_mask.astype(np.uint8) * np.uint8(255),
        spacing_mm=ras.spacing_mm.astype(np.float32),
        names=names,
        age_group=pair.group("age_group"),
    )


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, nargs="+", help=DATA_HELP)
    parser.add_argument("output", type=Path, help="folder for the archives")


def run(arguments: argparse.Namespace) -> None:
    """Write an archive for each scan, and what they were made from."""
    arguments.output.mkdir(parents=True, exist_ok=True)
    pairs = find_pairs(*arguments.data)
    for number, pair in enumerate(pairs, start=1):
        path = save_source(source_from_pair(pair), arguments.output)
        print(f"{number}/{len(pairs)} {path.name}", flush=True)
    described = json.dumps([describe_pair(pair) for pair in pairs], indent=1)
    (arguments.output / DATA_NAME).write_text(described + "\n", encoding="utf-8")
