"""A scan with its brain mask, and finding such pairs in a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from skullstrip.errors import InputError

LABEL_MAP_SPLIT = "labelmap"


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


def find_pairs(data: str | Path) -> tuple[Pair, ...]:
    """Find every scan with a mask in a data set, sorted by name.

    Parameters
    ----------
    data : path
        A CSV manifest; a folder that holds ``MANIFEST.csv`` or ``manifest.csv``; a BIDS folder
        with masks under ``derivatives/``; or a folder in either layout of the original project
        (``<id>.nii.gz`` with ``<id>_mask.nii.gz``; ``<id>/T1w.nii.gz`` with ``<id>/mask.nii.gz``).

    Raises
    ------
    InputError
        Nothing is found, a file is missing, or two scans have one name.
    """
    from .csv_manifest import MANIFEST_NAMES, read_manifest
    from .layouts import find_in_bids, find_in_folders, is_bids

    root = Path(data)
    if not root.exists():
        raise InputError(f"The data set {root} does not exist; give a folder or a CSV manifest.")
    manifests = [root / name for name in MANIFEST_NAMES if (root / name).is_file()]
    if root.is_file():
        pairs = read_manifest(root)
    elif manifests:
        pairs = read_manifest(manifests[0])
    elif is_bids(root):
        pairs = find_in_bids(root)
    else:
        pairs = find_in_folders(root)
    if not pairs:
        raise InputError(
            f"No scan with a mask was found in {root}; training/README.md lists the layouts."
        )
    return _checked(pairs)


def require_unique_names(pairs: Iterable[Pair]) -> None:
    """Raise InputError where two scans have one name."""
    names: set[str] = set()
    for pair in pairs:
        if pair.name in names:
            raise InputError(f"Two scans are called {pair.name}; give each its own name.")
        names.add(pair.name)


def _checked(pairs: list[Pair]) -> tuple[Pair, ...]:
    require_unique_names(pairs)
    for pair in pairs:
        for path in (pair.image, pair.mask):
            if not path.is_file():
                raise InputError(f"The file {path} of scan {pair.name} is missing.")
    return tuple(sorted(pairs, key=lambda pair: pair.name))


def select_split(pairs: tuple[Pair, ...], split: str) -> tuple[Pair, ...]:
    """Return the pairs of one split, or all of them for ``all``.

    Raises
    ------
    InputError
        No pair belongs to the split.
    """
    chosen = tuple(pair for pair in pairs if split in ("all", pair.split))
    if not chosen:
        known = ", ".join(sorted({pair.split or "(none)" for pair in pairs}))
        raise InputError(f"No scan belongs to the split {split!r}; the data set has: {known}.")
    return chosen


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def altered_files(pair: Pair) -> tuple[Path, ...]:
    """Return the pair's files whose bytes differ from the manifest's hash."""
    listed = ((pair.image, pair.image_sha256), (pair.mask, pair.mask_sha256))
    return tuple(
        path for path, digest in listed if digest and not file_sha256(path).startswith(digest)
    )
