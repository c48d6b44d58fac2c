"""BIDS data sets of made heads."""

import json

import nibabel
import numpy as np

from Testing.image_files import save_head
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
    "sub-01/anat/sub-01_part-phase_T1w.nii.gz",
    "sub-01/anat/sub-01_part-real_acq-x_T1w.nii.gz",
    "sub-01/anat/sub-01_acq-x_part-imag_T1w.nii.gz",
    "sub-01/anat/sub-01_inv-1_MP2RAGE.nii.gz",
)
# Every entity that a T1w scan may have, the subject with and without a session.
VALID = (
    "sub-01/anat/sub-01_T1w.nii.gz",
    "sub-01/anat/sub-01_task-rest_T1w.nii",
    "sub-02/ses-pre/anat/sub-02_ses-pre_acq-mprage_ce-gd_rec-norm_run-1_T1w.nii.gz",
    "sub-02/ses-pre/anat/sub-02_ses-pre_acq-mprage_ce-gd_rec-norm_run-2_T1w.nii.gz",
    "sub-02/ses-post/anat/sub-02_ses-post_echo-1_part-mag_T1w.nii.gz",
    "sub-02/ses-post/anat/sub-02_ses-post_chunk-1_T1w.nii.gz",
    "sub-02/ses-post/anat/sub-02_ses-post_UNIT1.nii.gz",
)


def make_bids(folder, spacing_mm=None):
    """Write a data set; with a spacing its T1w scans are heads, otherwise all files are empty."""
    for name in SCANS + OTHERS:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if spacing_mm and name in SCANS:
            save_head(path, spacing_mm=(spacing_mm,) * 3, seed=len(name))
        else:
            path.touch()
    _describe(folder)
    return folder


def make_valid_bids(folder, spacing_mm=4.0):
    """Write heads as a data set in which a validator finds no error."""
    for name in VALID:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        head = make_head(spacing_mm=(spacing_mm,) * 3, seed=len(name))
        image = nibabel.Nifti1Image(head.array.astype(np.int16), head.affine)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, path)
        sidecar = folder / f"{name.partition('.')[0]}.json"
        sidecar.write_text(json.dumps({"Manufacturer": "Nobody", "EchoTime": 0.003}))
    (folder / "README").write_text("Heads that a program made, for tests of SkullStrip. " * 5)
    (folder / "participants.tsv").write_text("participant_id\tage\nsub-01\t21\nsub-02\t22\n")
    _describe(folder)
    return folder


def _describe(folder):
    description = {"Name": "Made heads", "BIDSVersion": "1.8.0", "DatasetType": "raw"}
    (folder / "dataset_description.json").write_text(json.dumps(description))
