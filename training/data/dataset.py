"""Finding pairs of scan and mask in a data set."""

from __future__ import annotations

from pathlib import Path

from skullstrip.errors import InputError

from .csv_manifest import MANIFEST_NAMES, read_manifest
from .layouts import find_in_batch, find_in_bids, find_in_folders, is_batch_output, is_bids
from .pair import Pair


def find_pairs(
    *data: str | Path, scans: Path | None = None, accepted: bool = False
) -> tuple[Pair, ...]:
    """Find every scan with a mask in one or several data sets, sorted by name.

    Parameters
    ----------
    *data : path
        A CSV manifest; a folder that holds ``MANIFEST.csv`` or ``manifest.csv``; the output
        folder of a batch, of which masks corrected by hand are taken; a BIDS folder
        with masks under ``derivatives/``; or a folder in either layout of the original project
        (``<id>.nii.gz`` with ``<id>_mask.nii.gz``; ``<id>/T1w.nii.gz`` with ``<id>/mask.nii.gz``).
    scans, accepted
        For the output of a batch; see `find_in_batch`.

    Raises
    ------
    InputError
        Nothing is found, a file is missing, two scans have one name, or a person stands in two
        splits.
    """
    pairs = [pair for root in data for pair in _pairs_of(Path(root), scans, accepted)]
    names: set[str] = set()
    splits: dict[str, str] = {}
    for pair in pairs:
        if pair.name in names:
            raise InputError(f"Two scans are called {pair.name}; give each its own name.")
        names.add(pair.name)
        for path in (pair.image, pair.mask):
            if not path.exists():
                raise InputError(f"The file {path} of scan {pair.name} is missing.")
        if splits.setdefault(pair.subject, pair.split) != pair.split:
            raise InputError(
                f"The subject {pair.subject} is in the splits {splits[pair.subject]} and "
                f"{pair.split}; put all scans of a person on one side."
            )
    return tuple(sorted(pairs, key=lambda pair: pair.name))


def _pairs_of(root: Path, scans: Path | None, accepted: bool) -> list[Pair]:
    if not root.exists():
        raise InputError(f"The data set {root} does not exist; give a folder or a CSV manifest.")
    manifests = [root / name for name in MANIFEST_NAMES if (root / name).is_file()]
    if root.is_file():
        pairs = read_manifest(root)
    elif manifests:
        pairs = read_manifest(manifests[0])
    elif is_batch_output(root):
        pairs = find_in_batch(root, scans, accepted)
    elif is_bids(root):
        pairs = find_in_bids(root)
    else:
        pairs = find_in_folders(root)
    if not pairs:
        raise InputError(
            f"No scan with a mask was found in {root}; training/README.md lists the layouts."
        )
    return pairs


def select_split(pairs: tuple[Pair, ...], split: str) -> tuple[Pair, ...]:
    """Return the pairs of one split, or of ``all``; raise InputError where there is none."""
    chosen = tuple(pair for pair in pairs if split in ("all", pair.split))
    if not chosen:
        known = ", ".join(sorted({pair.split or "(none)" for pair in pairs}))
        raise InputError(f"No scan belongs to the split {split!r}; the data set has: {known}.")
    return chosen
