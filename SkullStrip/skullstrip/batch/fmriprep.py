"""Which masks fMRIPrep, sMRIPrep and NiBabies get, as their `--derivatives` folder.

sMRIPrep 0.20, which fMRIPrep calls, turns a T1-weighted scan to RAS before it applies a mask that
it was given, and takes one mask for each anatomical reference: a person's or a session's. Its query
asks for no `space`, that of NiBabies for `T1w`. Of several scans the first in lexicographical order
is the reference; where their grids differ, all are resampled to one that no mask of ours is on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

import numpy as np

from ..grid.orientation import orientation_of
from ..io.nibabel_images import Reader
from .scans import Scan

SAME_MM = 0.001  # voxel sizes further apart are resampled


def folder_of(reference: str) -> str:
    """Return the folder below the output folder that is given to `--derivatives`."""
    return f"fmriprep_{reference}"


def readme_of(reference: str) -> str:
    """Return what is written into that folder."""
    return (
        "Brain masks by SkullStrip with the axes of RAS, for fMRIPrep, sMRIPrep and NiBabies:\n"
        f"--derivatives THIS_FOLDER --subject-anatomical-reference {reference}\n"
    )


def with_masks(scans: Iterable[Scan], all_scans: Iterable[Scan], reference: str) -> list[Scan]:
    """Give the scans that are references a mask of that kind, besides.

    `all_scans` are those of the same persons, whichever sessions the batch has.
    """

    def whose(scan: Scan) -> tuple[str, str]:
        return scan.subject, scan.session if reference == "sessionwise" else ""

    t1w = [scan for scan in all_scans if "_T1w.nii" in scan.bids_source]
    changed = {}
    for _, group in groupby(sorted(t1w, key=lambda scan: (whose(scan), scan.file)), whose):
        first, *others = group
        changed[first.name] = _with_mask(first, others, folder_of(reference))
    return [changed.get(scan.name, scan) for scan in scans]


def _with_mask(scan: Scan, others: list[Scan], folder: str) -> Scan:
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
