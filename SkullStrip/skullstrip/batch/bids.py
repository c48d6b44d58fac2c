"""BIDS: T1-weighted scans of a data set, and what is written beside their derivatives.

Names and fields follow BIDS 1.8 (BIDS URIs and `DatasetLinks` came with it), derivatives, imaging
data types. The folder of derivatives may be described already: by an earlier run and then by hand,
with `Authors` for example, or by another pipeline whose derivatives lie there too. What others
wrote stays.

fMRIPrep, sMRIPrep and NiBabies take masks as their `--derivatives` folder. sMRIPrep 0.20, which
fMRIPrep calls, turns a T1-weighted scan to RAS before it applies a mask that it was given, and
takes one mask for each anatomical reference: a person's or a session's. Its query asks for no
`space`, that of NiBabies for `T1w`. Of several scans the first in lexicographical order is the
reference; where their grids differ, all are resampled to one that no mask of ours is on.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from .._version import __version__
from ..errors import InputError, OutputError, reason_of
from ..grid.orientation import orientation_of
from ..io.atomic import atomic_outputs
from ..io.limits import require_regular
from ..io.nibabel_images import Reader
from ..report import to_json
from .scans import Scan, refuse_names, sidecar_of

# Phase, real and imaginary parts show no anatomy; UNIT1 is the T1-weighted image of MP2RAGE.
NO_MAGNITUDE = "desc-|part-(?:phase|real|imag)_"
IMAGE = re.compile(rf"(sub-[^_]+(?:_(?!{NO_MAGNITUDE})[^_]+)*)_([a-zA-Z0-9]+)\.nii(?:\.gz)?")
T1W = ("T1w", "UNIT1")
SAME_MM = 0.001  # voxel sizes further apart are resampled by fMRIPrep
TEXT: Any = {"encoding": "utf-8", "errors": "surrogateescape"}  # bytes of others stay as they are
BIDS_VERSION = "1.8.0"
RAW = "raw"  # what DatasetLinks calls the data set that was stripped
TOOL = "SkullStrip"
DESCRIPTION = "dataset_description.json"
# What lies beside the derivatives and is no BIDS. "qc/" is a pattern that the validator overlooks.
IGNORED = (
    "qc", "results.csv", "report.html", "decisions.csv", "fmriprep_first-lex",
    "fmriprep_sessionwise",
)  # fmt: skip
READMES = ("README", "README.md", "README.rst", "README.txt")
README = f"""\
Brain masks by {TOOL}, made from the T1-weighted scans of the data set that DatasetLinks in
{DESCRIPTION} names.

*_desc-brain_mask.nii.gz      1 in the brain and 0 elsewhere, on the grid of the scan
*_desc-brain_T1w.nii.gz       the scan with everything but the brain set to zero
results.csv                   one row a scan: verdict, volume, times, versions, hashes
report.html, qc               a page to look through all masks, and its pictures
"""


def find_bids_scans(
    data_set: Path,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    also: Sequence[str] = (),
    fmriprep: str | None = None,
) -> list[Scan]:
    """T1-weighted scans of the raw data; derivatives inside the data set are left out.

    Labels are taken with or without `sub-` and `ses-`, and all are by default. Other anatomical
    scans, of the suffixes in `also`, T2w or FLAIR, get the mask of their session's first one.
    `fmriprep` is which scans are its references, and get a mask for it besides. Raise InputError
    where none is there, or none of a participant, session or suffix.
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
    everyones = [scan for scan in scans if not subjects or scan.subject in subjects]
    chosen = [scan for scan in everyones if not visits or scan.session in visits]
    if not chosen:
        raise InputError(f"No participant asked for has a session asked for in '{data_set}'.")
    for suffix in also:
        if suffix in T1W or not any(_suffix(image) == suffix for image in images):
            raise InputError(
                f"No sub-*/[ses-*/]anat/*_{suffix}.nii.gz is in '{data_set}' that could get the "
                "mask of a T1-weighted scan; name other suffixes with --also."
            )
    # The first scan of a session gets the others; a T1w scan goes before UNIT1, as sorted.
    others: dict[tuple[str, str], list[Scan]] = {}
    for image in images:
        if _suffix(image) in also:
            others.setdefault((image.subject, image.session), []).append(image)
    chosen = [
        replace(scan, apply_to=tuple(others.pop((scan.subject, scan.session), ())))
        for scan in chosen
    ]
    refuse_names(chosen)
    return chosen if fmriprep is None else _with_fmriprep_masks(chosen, everyones, fmriprep)


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


def require_place(data_set: Path, out: Path) -> None:
    """Raise OutputError for derivatives among raw data, whose description they would change."""
    place = data_set / "derivatives" / "skullstrip"
    if data_set.resolve() == out.resolve():
        raise OutputError(f"The output folder is the data set itself; use '{place}'.")
    if (described := _read(out)) and described.get("DatasetType") != "derivative":
        raise OutputError(
            f'\'{out / DESCRIPTION}\' does not say "DatasetType": "derivative", so the folder '
            f"holds other data; use '{place}'."
        )


def write_dataset_files(data_set: Path, out: Path, fmriprep: str | None = None) -> None:
    """Write `dataset_description.json`, `.bidsignore` and, where there is none, `README`.

    With a reference of fMRIPrep its folder below `out` gets them, too.
    """
    _write_dataset_files(data_set, out, README)
    if fmriprep:
        readme = (
            "Brain masks by SkullStrip with the axes of RAS, for fMRIPrep, sMRIPrep and NiBabies:\n"
            f"--derivatives THIS_FOLDER --subject-anatomical-reference {fmriprep}\n"
        )
        _write_dataset_files(data_set, out / folder_of(fmriprep), readme)


def _write_dataset_files(data_set: Path, out: Path, readme: str) -> None:
    ignored = out / ".bidsignore"  # our files come after the patterns that are there
    patterns = ignored.read_text(**TEXT).splitlines() if ignored.is_file() else []
    patterns += [name for name in IGNORED if name not in patterns]
    texts = {
        DESCRIPTION: to_json(_description(data_set, out)),
        ignored.name: "\n".join(patterns) + "\n",
    }
    if not any((out / name).exists() for name in READMES):
        texts["README"] = readme
    with atomic_outputs() as staged:
        for name, text in texts.items():
            staged(out / name).write_text(text, **TEXT)


def _description(data_set: Path, out: Path) -> dict[str, Any]:
    """Return what BIDS wants to know about the folder of derivatives, and what it says already."""
    there = _read(out)
    tools, links = there.get("GeneratedBy"), there.get("DatasetLinks")
    listed = tools if isinstance(tools, list) else []
    others = [tool for tool in listed if isinstance(tool, dict) and tool.get("Name") != TOOL]
    return {
        "Name": "SkullStrip brain masks",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        **there,
        "GeneratedBy": [*others, {"Name": TOOL, "Version": __version__}],
        "DatasetLinks": (links if isinstance(links, dict) else {})
        | {RAW: _link(data_set.resolve(), out.resolve())},
    }


def _read(out: Path) -> dict[str, Any]:
    """Return the description that is there already; empty where there is none."""
    path = out / DESCRIPTION
    try:
        require_regular(path)
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise OutputError(
            f"'{path}' cannot be read ({reason_of(error)}); fix or remove it."
        ) from error
    if not isinstance(found, dict):
        raise OutputError(f"'{path}' holds no JSON object; fix or remove it.")
    return found


def _link(data_set: Path, out: Path) -> str:
    """From the derivatives to the raw data, as a URI: relative, so that both may be moved."""
    try:
        return quote(Path(os.path.relpath(data_set, out)).as_posix())
    except ValueError:  # another drive of Windows
        return data_set.as_uri()


def folder_of(reference: str) -> str:
    """Return the folder below the output folder that is given to `--derivatives`."""
    return f"fmriprep_{reference}"


def _with_fmriprep_masks(scans: list[Scan], everyones: list[Scan], reference: str) -> list[Scan]:
    """Give references their mask; `everyones` are the same persons' scans of all sessions."""

    def whose(scan: Scan) -> tuple[str, str]:
        return scan.subject, scan.session if reference == "sessionwise" else ""

    t1w = [scan for scan in everyones if _suffix(scan) == "T1w"]
    changed = {}
    for _, group in groupby(sorted(t1w, key=lambda scan: (whose(scan), scan.file)), whose):
        first, *others = group
        changed[first.name] = _with_fmriprep_mask(first, others, folder_of(reference))
    return [changed.get(scan.name, scan) for scan in scans]


def _with_fmriprep_mask(scan: Scan, others: list[Scan], folder: str) -> Scan:
    if others and not _have_one_grid([scan, *others]):
        note = "no mask for fMRIPrep: the grids of this person's T1w scans differ, or are not known"
        return replace(scan, note=note)
    stem = scan.mask.removesuffix("_desc-brain_mask.nii.gz")
    kinds = ("desc-brain", "space-T1w_desc-brain")  # of sMRIPrep, of NiBabies
    return replace(
        scan, for_fmriprep=tuple(f"{folder}/{stem}_{kind}_mask.nii.gz" for kind in kinds)
    )


def _have_one_grid(scans: list[Scan]) -> bool:
    """Return whether all have as many voxels of the same size once they are turned to RAS."""
    grids = []
    for scan in scans:
        try:
            reader = Reader(scan.path)
        except Exception:  # noqa: BLE001  (whoever reads the scan says what is wrong with it)
            return False
        spacing_mm = np.linalg.norm(reader.affine[:3, :3], axis=0)
        axes = list(orientation_of(reader.affine).axes)
        grids.append(np.stack([np.array(reader.shape[:3])[axes], spacing_mm[axes]]))
    return all(np.allclose(grid, grids[0], rtol=0, atol=SAME_MM) for grid in grids)
