"""Pairs of scan and mask in a data set: a CSV manifest, a folder, BIDS, or what a batch wrote.

`split` gives each person a side, seeded and listed in a file, so that nobody is on two.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from skullstrip.batch.bids import find_bids_scans
from skullstrip.batch.records import CORRECTED, DONE, RECORDS, rows, sha256_of
from skullstrip.batch.scans import OURS, find_scans
from skullstrip.batch.tables import ACCEPT, DECISIONS, read_decisions, read_rows, write_rows
from skullstrip.errors import InputError
from skullstrip.escaping import escaped
from skullstrip.io.images import suffix_of

from .pair import Pair

ACCESSION = re.compile(r"\bds\d{6}\b")  # of OpenfMRI, now OpenNeuro
HASH = re.compile("[0-9a-f]{16,64}")
REQUIRED = ("subject", "image", "mask")
WRITTEN = (*REQUIRED, "scan", "split", "dataset", "licence", "source", "sha256_image",
           "sha256_mask")  # fmt: skip
# Parts of a pair, and how columns with them may also be called.
PARTS = {part.name for part in fields(Pair)} - {"groups"}
SAME = {
    "license": "licence",
    **dict.fromkeys(("sha256", "sha256_image", "sha256_16_image"), "image_sha256"),
    **dict.fromkeys(("sha256_mask", "sha256_16_mask"), "mask_sha256"),
}
ADVICE = "training/README.md lists the columns"
DATA_HELP = "data set: folder, BIDS or CSV manifest"
MANIFEST_NAMES = ("MANIFEST.csv", "manifest.csv")
MASK_ENDINGS = ("_mask", "_brainmask", "_brain_mask")
BIDS_MARKS = ("dataset_description.json", "sub-*/anat", "sub-*/ses-*/anat")


def find_pairs(
    *data: str | Path, scans: Path | None = None, accepted: bool = False
) -> tuple[Pair, ...]:
    """Find every scan with a mask in one or several data sets, sorted by name.

    Each is a CSV manifest or a folder that holds one; the output folder of a batch, to which
    `scans` and `accepted` belong, see `find_in_batch`; a BIDS folder with masks under
    ``derivatives/``; or a folder in either layout of the original project. Raise InputError where
    nothing is found, a file is missing, two scans have one name, or a person is in two splits.
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


def select_split(pairs: tuple[Pair, ...], split: str) -> tuple[Pair, ...]:
    """Return the pairs of one split, or of ``all``; raise InputError where there is none."""
    chosen = tuple(pair for pair in pairs if split in ("all", pair.split))
    if not chosen:
        known = ", ".join(sorted({pair.split or "(none)" for pair in pairs}))
        raise InputError(f"No scan belongs to the split {split!r}; the data set has: {known}.")
    return chosen


def _pairs_of(root: Path, scans: Path | None, accepted: bool) -> list[Pair]:
    if not root.exists():
        raise InputError(f"The data set {root} does not exist; give a folder or a CSV manifest.")
    manifests = [path for path in (root, *map(root.joinpath, MANIFEST_NAMES)) if path.is_file()]
    if manifests:
        pairs = read_manifest(manifests[0])
    elif (root / RECORDS).is_dir():
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


def read_manifest(path: Path) -> list[Pair]:
    """Read the pairs of a CSV with columns ``subject``, ``image`` and ``mask``.

    ``scan`` (needed where a subject has several), ``split``, ``dataset``, ``licence``, ``source``
    and hashes are understood; every other column becomes a group. Raise InputError where the file
    is no such table, a needed cell is empty, or a hash is none.
    """
    pairs = []
    for line, row in enumerate(read_rows(path, REQUIRED, ADVICE), start=2):
        cells: dict[str, Any] = {
            SAME.get(key, key): value.strip() for key, value in row.items() if key and value.strip()
        }
        if empty := [name for name in REQUIRED if name not in cells]:
            raise InputError(f"Line {line} of the manifest has no {empty[0]}; fill the cell.")
        for name in cells.keys() & {"image_sha256", "mask_sha256"}:
            cells[name] = cells[name].lower()
            if not HASH.fullmatch(cells[name]):
                raise InputError(
                    f"Line {line} of the manifest has the hash {cells[name]!r}; "
                    "give 16 to 64 hexadecimal digits of SHA-256."
                )
        for name in ("image", "mask"):
            cells[name] = path.parent / cells[name]
        cells.setdefault("dataset", dataset_of(cells.get("source", ""), cells.get("licence", "")))
        known = {name: cells.pop(name) for name in PARTS & cells.keys()}
        pairs.append(Pair(**known, groups=tuple(cells.items())))
    return pairs


def dataset_of(source: str, licence: str) -> str:
    """Name a data set by its accession number, or by its source up to a comma or bracket."""
    if found := ACCESSION.search(f"{source} {licence}"):
        return f"OpenNeuro {found.group()}"
    return re.split("[(,]", source)[0].strip()


def write_manifest(path: Path, pairs: Iterable[Pair]) -> None:
    """Write a manifest that `read_manifest` reads, with hashes and absolute paths."""
    table = [
        vars(pair)
        | {"image": pair.image.resolve(), "sha256_image": sha256_of(pair.image)}
        | {"mask": pair.mask.resolve(), "sha256_mask": sha256_of(pair.mask)}
        | dict(pair.groups)
        for pair in pairs
    ]
    groups = {name for pair in pairs for name, _ in pair.groups}
    write_rows(path, (*WRITTEN, *sorted(groups)), table)


def images_in(folder: Path) -> dict[str, Path]:
    """Return the images that lie in a folder, sorted, by their names without ending."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return {_stem(path): path for path in files if suffix_of(path)}


def _stem(path: Path) -> str:
    return path.name[: len(path.name) - len(suffix_of(path))]


def find_in_folders(root: Path) -> list[Pair]:
    """Find ``<id>.nii.gz`` with ``<id>_mask.nii.gz``, and ``<id>/T1w`` with ``<id>/mask``.

    What `skullstrip` wrote beside a scan, its brain alone, is no scan.
    """
    pairs = []
    files = images_in(root)
    for stem, image in files.items():
        if OURS.search(stem):
            continue
        subject = stem.removesuffix("_T1w")
        masks = (f"{base}{ending}" for base in (stem, subject) for ending in MASK_ENDINGS)
        if mask := next((files[name] for name in masks if name in files), None):
            pairs.append(Pair(subject, image, mask, dataset=root.name))
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        files = images_in(folder)
        if "T1w" in files and "mask" in files:
            pairs.append(Pair(folder.name, files["T1w"], files["mask"], dataset=root.name))
    return pairs


def is_bids(root: Path) -> bool:
    """Return whether the folder looks like BIDS: a description, or subjects with ``anat``."""
    return any(next(root.glob(mark), None) for mark in BIDS_MARKS)


def find_in_bids(root: Path) -> list[Pair]:
    """Pair every T1w scan with the brain mask of its own entities and grid, if there is one.

    It lies under ``derivatives/`` or beside the scan; the first derivative by name wins. Two scans
    of a person are two pairs of one subject.
    """
    masks: dict[str, Path] = {}
    folders = root / "derivatives", root
    for path in (path for top in folders for path in sorted(top.glob("**/sub-*_mask.*"))):
        parts = _stem(path).removesuffix("_mask").split("_")
        described = [part for part in parts if part.startswith(("desc-", "label-"))]
        if suffix_of(path) and all("brain" in part.lower() for part in described):
            # A mask of another space keeps that in its name, which no scan has.
            left_out = ("T1w", "space-T1w", *described)
            masks.setdefault("_".join(part for part in parts if part not in left_out), path)
    pairs = []
    for scan in find_bids_scans(root):
        name = scan.name.removesuffix("_T1w")
        if mask := masks.get(name):
            subject = name.split("_")[0]
            pairs.append(Pair(subject, scan.path, mask, scan=name, dataset=root.name))
    return pairs


def find_in_batch(out: Path, scans: Path | None = None, accepted: bool = False) -> list[Pair]:
    """Pair the masks of a batch that somebody corrected with the scans that they are of.

    `out` is its output folder, `scans` where its input folder or BIDS data set lies now, if it was
    moved. With `accepted`, masks that the report page accepts are taken, too. Raise InputError
    where there is none, a scan is not where it was, or the decisions cannot be read.
    """
    decided = read_decisions(out / DECISIONS) if accepted else {}
    moved: dict[str, Path] = {}
    if scans is not None:
        found = find_bids_scans(scans) if is_bids(scans) else find_scans(str(scans), out)
        moved = {scan.name: scan.path for scan in found}
    pairs = []
    for row in rows(out):
        name = str(row["name"])
        taken = row["status"] == DONE and decided.get(escaped(name)) == ACCEPT
        if not taken and row["status"] != CORRECTED:
            continue
        image = moved.get(name, Path(str(row["path"])))
        if not image.exists():
            raise InputError(
                f"The scan {image}, whose mask was corrected, is not there; name the folder that "
                "the batch's scans were moved to with --scans."
            )
        scan, mask = name.replace("/", "_"), out / str(row["brain_mask"])  # scans name files
        pairs.append(Pair(str(row["subject"] or scan), image, mask, scan=scan, dataset=out.name))
    if not pairs:
        raise InputError(
            f"No mask in {out} is listed as corrected; start the batch once more, so that it "
            "notices masks that were changed, or take accepted ones with --accepted."
        )
    return pairs


def split_pairs(
    pairs: Iterable[Pair], fractions: Mapping[str, float], seed: int = 0
) -> dict[str, str]:
    """Give each subject a split, so that each split has its share of every data set.

    Subjects are ranked by a hash of seed and name: the same on every machine and version of
    numpy, independent of the order of files, and nearly unchanged when subjects are added. Raise
    InputError for fractions that do not add up to 1.
    """
    if any(not part > 0 for part in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-6:
        raise InputError(f"The fractions {dict(fractions)} must be positive and add up to 1.")
    by_dataset: dict[str, set[str]] = {}
    for pair in pairs:
        by_dataset.setdefault(pair.dataset, set()).add(pair.subject)
    splits: dict[str, str] = {}
    for _, subjects in sorted(by_dataset.items()):
        ranked = sorted(
            subjects - splits.keys(),  # a person in two sets keeps one side
            key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest(),
        )
        ends = (round(share * len(ranked)) for share in accumulate(fractions.values()))
        for split, (start, end) in zip(fractions, pairwise([0, *ends]), strict=True):
            splits |= dict.fromkeys(ranked[start:end], split)
    return dict(sorted(splits.items()))


def _fractions(text: str) -> dict[str, float]:
    parts = (part.partition("=") for part in text.split(","))
    try:
        return {name.strip(): float(value) for name, _, value in parts}
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FRACTION,...") from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    usual = "train=0.8,val=0.1,test=0.1"
    parser.add_argument("data", type=Path, help=f"{DATA_HELP}, or a batch's output folder")
    parser.add_argument("--scans", type=Path, help="where the batch's scans were moved to")
    parser.add_argument(
        "--accepted",
        action="store_true",
        help="of a batch's output, masks accepted on its page besides those corrected by hand",
    )
    parser.add_argument("-o", "--out", type=Path, default=Path("splits.csv"))
    parser.add_argument("--manifest", type=Path, help="write a data set with these splits too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--fractions", type=_fractions, default=usual, metavar="NAME=FRACTION,...",
        help=f"default: {usual}",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Split and list the result."""
    pairs = find_pairs(arguments.data, scans=arguments.scans, accepted=arguments.accepted)
    splits = split_pairs(pairs, arguments.fractions, arguments.seed)
    rows = ({"subject": subject, "split": split} for subject, split in splits.items())
    write_rows(arguments.out, ("subject", "split"), rows)
    if arguments.manifest is not None:
        split = [replace(pair, split=splits[pair.subject]) for pair in pairs]
        write_manifest(arguments.manifest, split)
    counts = Counter(splits.values())
    print(f"{arguments.out}: {', '.join(f'{counts[n]} {n}' for n in arguments.fractions)}")
