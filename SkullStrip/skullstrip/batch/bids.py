"""BIDS: T1-weighted scans of a data set, and what is written beside the derivatives of each.

Names and fields follow BIDS 1.8 (BIDS URIs and `DatasetLinks` came with it), derivatives, imaging
data types.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from .bids_dataset import RAW
from .scans import Scan, refuse_names, sidecar_of

# Phase, real and imaginary parts show no anatomy; UNIT1 is the T1-weighted image of MP2RAGE.
NO_MAGNITUDE = "desc-|part-(?:phase|real|imag)_"
IMAGE = re.compile(rf"(sub-[^_]+(?:_(?!{NO_MAGNITUDE})[^_]+)*)_([a-zA-Z0-9]+)\.nii(?:\.gz)?")
T1W = ("T1w", "UNIT1")


def find_bids_scans(
    data_set: Path,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    also: Sequence[str] = (),
) -> list[Scan]:
    """T1-weighted scans of the raw data; derivatives inside the data set are left out.

    Labels are taken with or without `sub-` and `ses-`, and all are by default. Other anatomical
    scans, of the suffixes in `also`, T2w or FLAIR, get the mask of their session's first one. Raise
    InputError where none is there, or none of a participant, session or suffix.
    """
    subjects = {label.removeprefix("sub-") for label in participants}
    visits = {label.removeprefix("ses-") for label in sessions}
    files = [*data_set.glob("sub-*/anat/*"), *data_set.glob("sub-*/ses-*/anat/*")]
    images = [
        _scan(file, match, data_set)
        for file in sorted(files)
        if (match := IMAGE.fullmatch(file.name))
    ]
    scans = [scan for scan in images if _suffix(scan) in T1W]
    if not scans:
        raise InputError(
            f"No sub-*/[ses-*/]anat/*_T1w.nii.gz or *_UNIT1.nii.gz is in '{data_set}'; give a BIDS "
            "data set."
        )
    _require_labels(data_set, "participant", subjects, {scan.subject for scan in scans})
    _require_labels(data_set, "session", visits, {scan.session for scan in scans})
    scans = [scan for scan in scans if not subjects or scan.subject in subjects]
    chosen = [scan for scan in scans if not visits or scan.session in visits]
    if not chosen:
        raise InputError(f"No participant asked for has a session asked for in '{data_set}'.")
    chosen = _with_others(chosen, images, also, data_set)
    refuse_names(chosen)
    return chosen


def _with_others(
    scans: list[Scan], images: list[Scan], also: Sequence[str], data_set: Path
) -> list[Scan]:
    """Give the first scan of each session the others that get its mask."""
    for suffix in also:
        if suffix in T1W or not any(_suffix(image) == suffix for image in images):
            raise InputError(
                f"No sub-*/[ses-*/]anat/*_{suffix}.nii.gz is in '{data_set}' that could get the "
                "mask of a T1-weighted scan; name other suffixes with --also."
            )
    others: dict[tuple[str, str], tuple[Scan, ...]] = {}
    for image in images:
        if _suffix(image) in also:
            others[_session(image)] = (*others.get(_session(image), ()), image)
    # A T1w scan goes before UNIT1, as sorted.
    return [replace(scan, apply_to=others.pop(_session(scan), ())) for scan in scans]


def _session(scan: Scan) -> tuple[str, str]:
    return scan.subject, scan.session


def _suffix(scan: Scan) -> str:
    return scan.name.rpartition("_")[2]


def _scan(file: Path, match: re.Match[str], data_set: Path) -> Scan:
    source = file.relative_to(data_set)
    entities, suffix = match.groups()
    place = f"{source.parent.as_posix()}/{entities}"
    labels = dict(part.split("-", 1) for part in source.parts[:-2] if "-" in part)
    return Scan(
        name=f"{entities}_{suffix}",
        file=str(file.absolute()),
        brain=f"{place}_desc-brain_{suffix}.nii.gz",
        # A T1w scan beside it may have the same entities.
        mask=f"{place}_desc-brain{suffix.removeprefix('T1w')}_mask.nii.gz",
        subject=labels.get("sub", ""),
        session=labels.get("ses", ""),
        bids_source=source.as_posix(),
    )


def _require_labels(data_set: Path, kind: str, wanted: set[str], there: set[str]) -> None:
    if missing := sorted(wanted - there):
        raise InputError(f"The {kind} '{missing[0]}' has no T1-weighted scan in '{data_set}'.")


def sidecars(scan: Scan) -> dict[str, dict[str, Any]]:
    """Content of the JSON files beside each brain and mask, by their paths."""
    found: dict[str, dict[str, Any]] = {}
    for each in (scan, *scan.apply_to):
        sources = [f"bids:{RAW}:{one.bids_source}" for one in dict.fromkeys((each, scan))]
        common = {"Sources": sources, "SpatialReference": sources[0]}
        mask = {"Description": "Brain mask by SkullStrip", "Type": "Brain", **common}
        brain = {"Description": "Image inside the brain mask", "SkullStripped": True, **common}
        turned = mask | {"Description": "Brain mask by SkullStrip, its axes turned to RAS"}
        found |= {sidecar_of(each.mask): mask, sidecar_of(each.brain): brain}
        found |= {sidecar_of(path): turned for path in each.for_fmriprep}
    return found
