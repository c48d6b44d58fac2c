"""BIDS: T1-weighted scans of a data set, and what is written beside the derivatives of each.

Names and fields follow BIDS 1.8 (BIDS URIs and `DatasetLinks` came with it), derivatives, imaging
data types.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .bids_dataset import RAW
from .scans import Scan, refuse_names, sidecar_of

# Phase, real and imaginary parts show no anatomy; UNIT1 is the T1-weighted image of MP2RAGE.
NO_MAGNITUDE = "desc-|part-(?:phase|real|imag)_"
T1W = re.compile(rf"(sub-[^_]+(?:_(?!{NO_MAGNITUDE})[^_]+)*)_(T1w|UNIT1)\.nii(?:\.gz)?")


def find_bids_scans(
    data_set: Path, participants: Sequence[str] = (), sessions: Sequence[str] = ()
) -> list[Scan]:
    """T1-weighted scans of the raw data; derivatives inside the data set are left out.

    Parameters
    ----------
    participants, sessions : sequence of str
        Labels, with or without `sub-` and `ses-`; all by default.

    Raises
    ------
    InputError
        There is no scan, or none of a participant or session that was asked for.
    """
    wanted = {
        "sub": {label.removeprefix("sub-") for label in participants},
        "ses": {label.removeprefix("ses-") for label in sessions},
    }
    files = [*data_set.glob("sub-*/anat/*"), *data_set.glob("sub-*/ses-*/anat/*")]
    scans = [_scan(file, data_set) for file in sorted(files) if T1W.fullmatch(file.name)]
    if not scans:
        raise InputError(
            f"No sub-*/[ses-*/]anat/*_T1w.nii.gz or *_UNIT1.nii.gz is in '{data_set}'; give a BIDS "
            "data set."
        )
    _require_labels(data_set, "participant", wanted["sub"], {scan.subject for scan in scans})
    _require_labels(data_set, "session", wanted["ses"], {scan.session for scan in scans})
    chosen = [
        scan
        for scan in scans
        if (not wanted["sub"] or scan.subject in wanted["sub"])
        and (not wanted["ses"] or scan.session in wanted["ses"])
    ]
    if not chosen:
        raise InputError(f"No participant asked for has a session asked for in '{data_set}'.")
    refuse_names(chosen)
    return chosen


def _scan(file: Path, data_set: Path) -> Scan:
    source = file.relative_to(data_set)
    match = T1W.fullmatch(file.name)
    entities, suffix = match.groups() if match else ("", "T1w")
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
    """Content of the JSON files beside brain and mask, by their paths."""
    source = f"bids:{RAW}:{scan.bids_source}"
    common = {"Sources": [source], "SpatialReference": source}
    mask = {"Description": "Brain mask by SkullStrip", "Type": "Brain", **common}
    brain = {"Description": "Image inside the brain mask", "SkullStripped": True, **common}
    turned = mask | {"Description": "Brain mask by SkullStrip, its axes turned to RAS"}
    return {
        sidecar_of(scan.mask): mask,
        sidecar_of(scan.brain): brain,
        **{sidecar_of(path): turned for path in scan.for_fmriprep},
    }
