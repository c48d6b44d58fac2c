"""A BIDS data set of made heads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from Testing.image_files import save
from Testing.phantoms import make_head

SCANS = (
    "sub-01/anat/sub-01_T1w.nii.gz",
    "sub-02/ses-a/anat/sub-02_ses-a_acq-mprage_T1w.nii.gz",
    "sub-02/ses-b/anat/sub-02_ses-b_run-1_T1w.nii",
)
OTHERS = (
    "sub-01/anat/sub-01_T2w.nii.gz",
    "sub-01/func/sub-01_task-rest_bold.nii.gz",
    "derivatives/other/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz",
    "sub-01/anat/sub-01_desc-preproc_T1w.nii.gz",
)


def make_bids(folder: Path, spacing_mm: float | None = None) -> Path:
    """Write a data set; with a spacing its T1w scans are heads, otherwise all files are empty."""
    for name in SCANS + OTHERS:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if spacing_mm and name in SCANS:
            head = make_head(spacing_mm=(spacing_mm,) * 3, seed=len(name))
            save(path, head.array.astype(np.int16), head.affine)
        else:
            path.touch()
    description = {"Name": "Made heads", "BIDSVersion": "1.8.0", "DatasetType": "raw"}
    (folder / "dataset_description.json").write_text(json.dumps(description))
    return folder
