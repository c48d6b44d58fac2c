"""Pairs of a folder: the original project's two layouts, BIDS, and what a batch wrote."""

from __future__ import annotations

from pathlib import Path

from skullstrip.batch.bids import find_bids_scans
from skullstrip.batch.columns import CORRECTED, DONE, Row
from skullstrip.batch.decisions import ACCEPT, DECISIONS, read_decisions
from skullstrip.batch.records import RECORDS, rows
from skullstrip.batch.scans import find_scans
from skullstrip.errors import InputError
from skullstrip.escaping import escaped
from skullstrip.io.images import suffix_of

from .pair import Pair

_MASK_SUFFIXES = ("_mask", "_brainmask", "_brain_mask")


def images_in(folder: Path) -> dict[str, Path]:
    """Return the images that lie in a folder, sorted, by their names without ending."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return {_stem(path): path for path in files if suffix_of(path)}


def _stem(path: Path) -> str:
    return path.name[: len(path.name) - len(suffix_of(path))]


def find_in_folders(root: Path) -> list[Pair]:
    """Find ``<id>.nii.gz`` with ``<id>_mask.nii.gz``, and ``<id>/T1w`` with ``<id>/mask``."""
    pairs = []
    files = images_in(root)
    for stem, image in files.items():
        subject = stem.removesuffix("_T1w")
        candidates = [f"{base}{tail}" for base in (stem, subject) for tail in _MASK_SUFFIXES]
        mask = next((files[name] for name in candidates if name in files), None)
        if mask is not None:
            pairs.append(Pair(subject, image, mask, dataset=root.name))
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        files = images_in(folder)
        if "T1w" in files and "mask" in files:
            pairs.append(Pair(folder.name, files["T1w"], files["mask"], dataset=root.name))
    return pairs


def is_bids(root: Path) -> bool:
    """Return whether the folder looks like BIDS: a description, or subjects with ``anat``."""
    return (root / "dataset_description.json").is_file() or any(
        next(root.glob(pattern), None) is not None for pattern in ("sub-*/anat", "sub-*/ses-*/anat")
    )


def find_in_bids(root: Path) -> list[Pair]:
    """Pair every T1w scan with a mask of the same entities, in the grid of the scan.

    A mask is ``*_mask.<ending>`` under ``derivatives/`` (or beside the scan) whose name starts
    with the scan's entities; masks of another space (``space-``) or of another label than
    ``desc-brain`` are left alone. Two scans of a person are two pairs of one subject.
    """
    masks = _bids_masks(root)
    pairs = []
    for scan in find_bids_scans(root):
        entities = scan.name.removesuffix("_T1w")
        mask = masks.get(entities)
        if mask is not None:
            subject = entities.split("_")[0]
            pairs.append(Pair(subject, scan.path, mask, scan=entities, dataset=root.name))
    return pairs


def _bids_masks(root: Path) -> dict[str, Path]:
    """Map the entities of a scan to its mask; the first derivative by name wins."""
    masks: dict[str, Path] = {}
    for folder in (root / "derivatives", root):
        for path in sorted(folder.glob("**/sub-*_mask.*")) if folder.is_dir() else ():
            stem = _stem(path).removesuffix("_mask")
            entities = [part for part in stem.split("_") if part != "T1w"]
            described = [part for part in entities if part.startswith(("desc-", "label-"))]
            elsewhere = any(part.startswith("space-") and part != "space-T1w" for part in entities)
            if (
                not suffix_of(path)
                or elsewhere
                or any("brain" not in part.lower() for part in described)
            ):
                continue
            key = "_".join(
                part for part in entities if not part.startswith(("desc-", "label-", "space-"))
            )
            masks.setdefault(key, path)
    return masks


def is_batch_output(root: Path) -> bool:
    """Return whether a batch wrote its results into this folder."""
    return (root / RECORDS).is_dir()


def find_in_batch(out: Path, scans: Path | None = None, accepted: bool = False) -> list[Pair]:
    """Pair the masks of a batch that somebody corrected with the scans that they are of.

    Parameters
    ----------
    out : Path
        The batch's output folder.
    scans : Path, optional
        Where the batch's input folder, or BIDS data set, lies now, if it was moved.
    accepted : bool
        Take masks, too, that nobody had to correct: those accepted on the report page.

    Raises
    ------
    InputError
        No mask was corrected, a scan is not where it was, or the decisions cannot be read.
    """
    decided = read_decisions(out / DECISIONS) if accepted else {}
    names = {name for name, decision in decided.items() if decision == ACCEPT}
    chosen = [
        row
        for row in rows(out)
        if row["status"] == CORRECTED or (row["status"] == DONE and escaped(row["name"]) in names)
    ]
    if not chosen:
        raise InputError(
            f"No mask in {out} is listed as corrected; start the batch once more, so that it "
            "notices masks that were changed, or take accepted ones with --accepted."
        )
    moved: dict[str, Path] = {}
    if scans is not None:
        found = find_bids_scans(scans) if is_bids(scans) else find_scans(str(scans), out)
        moved = {scan.name: scan.path for scan in found}
    return [_corrected_pair(row, out, moved) for row in chosen]


def _corrected_pair(row: Row, out: Path, moved: dict[str, Path]) -> Pair:
    name = str(row["name"])
    image = moved.get(name, Path(str(row["path"])))
    if not image.exists():
        raise InputError(
            f"The scan {image}, whose mask was corrected, is not there; name the folder that the "
            "batch's scans were moved to with --scans."
        )
    scan = name.replace("/", "_")  # it names files
    mask = out / str(row["brain_mask"])
    return Pair(str(row["subject"] or scan), image, mask, scan=scan, dataset=out.name)
