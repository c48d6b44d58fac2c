"""Pairs found by the names of files: the original project's two layouts, and BIDS."""

from __future__ import annotations

from pathlib import Path

from .pair import Pair

IMAGE_ENDINGS = (".nii.gz", ".nii", ".mgz", ".mgh", ".nrrd", ".nhdr")
_MASK_SUFFIXES = ("_mask", "_brainmask", "_brain_mask")


def split_ending(path: Path) -> tuple[str, str]:
    """Split a file's name into stem and image ending; the ending is empty for other files."""
    for ending in IMAGE_ENDINGS:
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)], ending
    return path.name, ""


def find_in_folders(root: Path) -> list[Pair]:
    """Find ``<id>.nii.gz`` with ``<id>_mask.nii.gz``, and ``<id>/T1w`` with ``<id>/mask``."""
    return [*_flat_pairs(root), *_nested_pairs(root)]


def find_images(folder: Path) -> dict[str, Path]:
    """Return the images of a folder that are no masks, by name without ending and ``_T1w``."""
    return {
        stem.removesuffix("_T1w"): path
        for stem, path in _images(folder).items()
        if not stem.endswith("mask")
    }


def _images(folder: Path) -> dict[str, Path]:
    files = {}
    for path in sorted(folder.iterdir()):
        stem, ending = split_ending(path)
        if ending and path.is_file():
            files[stem] = path
    return files


def _flat_pairs(root: Path) -> list[Pair]:
    files = _images(root)
    pairs = []
    for stem, image in files.items():
        subject = stem.removesuffix("_T1w")
        candidates = [f"{base}{tail}" for base in (stem, subject) for tail in _MASK_SUFFIXES]
        mask = next((files[name] for name in candidates if name in files), None)
        if mask is not None:
            pairs.append(Pair(subject=subject, image=image, mask=mask, dataset=root.name))
    return pairs


def _nested_pairs(root: Path) -> list[Pair]:
    pairs = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        files = _images(folder)
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
    for image in sorted(_bids_scans(root)):
        entities = split_ending(image)[0].removesuffix("_T1w")
        mask = masks.get(entities)
        if mask is not None:
            subject = entities.split("_")[0]
            pairs.append(Pair(subject, image, mask, scan=entities, dataset=root.name))
    return pairs


def _bids_scans(root: Path) -> list[Path]:
    return [
        path
        for pattern in ("sub-*/anat/*_T1w.*", "sub-*/ses-*/anat/*_T1w.*")
        for path in root.glob(pattern)
        if split_ending(path)[1]
    ]


def _bids_masks(root: Path) -> dict[str, Path]:
    """Map the entities of a scan to its mask; the first derivative by name wins."""
    masks: dict[str, Path] = {}
    for folder in (root / "derivatives", root):
        for path in sorted(folder.glob("**/sub-*_mask.*")) if folder.is_dir() else ():
            stem, ending = split_ending(path)
            entities = [part for part in stem.removesuffix("_mask").split("_") if part != "T1w"]
            described = [part for part in entities if part.startswith(("desc-", "label-"))]
            elsewhere = any(part.startswith("space-") and part != "space-T1w" for part in entities)
            if not ending or elsewhere or any("brain" not in part.lower() for part in described):
                continue
            key = "_".join(
                part for part in entities if not part.startswith(("desc-", "label-", "space-"))
            )
            masks.setdefault(key, path)
    return masks
