"""Masks for fMRIPrep before the code that takes them: sMRIPrep's query, niworkflows' interfaces.

What FreeSurfer makes of several T1w scans, a template on the grid of the first, is not run here.
"""

import nibabel
import numpy as np
import pytest

from skullstrip.batch import job as work
from skullstrip.batch.bids import folder_of
from skullstrip.batch.options import BatchOptions
from skullstrip.batch.run import scans_of
from skullstrip.options import Options
from Testing.image_files import save_head
from Testing.stand_ins import ThresholdEngine

collect_derivatives = pytest.importorskip("smriprep.utils.bids").collect_derivatives
images = pytest.importorskip("niworkflows.interfaces.images")
ValidateImage = pytest.importorskip("niworkflows.interfaces.header").ValidateImage
ApplyMask = pytest.importorskip("niworkflows.interfaces.nibabel").ApplyMask

ONE = ("sub-01/anat/sub-01_T1w.nii.gz",)
TWO = ("sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz", "sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz")


@pytest.fixture
def stripped(tmp_path, stand_in_weights):
    """Function that strips a data set; gives its folder, that for --derivatives, and the rows."""

    def strip(names, reference, orientations):
        data, out = tmp_path / "data", tmp_path / "out"
        for number, (name, orientation) in enumerate(zip(names, orientations, strict=True)):
            grid = {"seed": number, "shift_mm": (number, 0, 0)}
            save_head(data / name, orientation, (3.0, 3.5, 4.0), **grid)
        method = Options(engine=ThresholdEngine(), weights=stand_in_weights)
        job = work.Job(out, BatchOptions(method), "digest")
        scans = scans_of(str(data), out, BatchOptions(bids=True, fmriprep=reference))
        rows = [work.process_scan((scan, "new"), job) for scan in scans]
        assert {row["status"] for row in rows} == {"done"}, rows
        return data, out / folder_of(reference), rows

    return strip


def masked(scans, mask, folder, monkeypatch):
    """What sMRIPrep has of the first scan inside the mask, as its workflow connects these nodes."""
    monkeypatch.chdir(folder)
    files = [str(scan) for scan in scans]
    common = images.TemplateDimensions(anat_list=files).run().outputs
    size = {"target_zooms": common.target_zooms, "target_shape": common.target_shape}
    conformed = images.Conform(in_file=files[0], **size).run().outputs.out_file
    valid = ValidateImage(in_file=conformed).run().outputs.out_file
    return nibabel.load(ApplyMask(in_file=valid, in_mask=mask).run().outputs.out_file)


def assert_brain_alone(image):
    """The brain of `make_head`, where it is, and nothing around it."""
    inside = np.argwhere(image.get_fdata() > 0)
    volume_ml = len(inside) * abs(np.linalg.det(image.affine)) / 1000
    assert volume_ml == pytest.approx(1440, rel=0.1)
    centre_mm = nibabel.affines.apply_affine(image.affine, inside.mean(axis=0))
    np.testing.assert_allclose(centre_mm, 0, atol=5)


@pytest.mark.parametrize("orientation", ["RAS", "PSR"])
@pytest.mark.parametrize(("names", "sessions"), [(ONE, None), (TWO, None), (TWO, ["a", "b"])])
def test_fmriprep_finds_one_mask_for_the_first_scan_and_applies_it(
    stripped, tmp_path, monkeypatch, orientation, names, sessions
):
    data, derivatives, _ = stripped(names, "first-lex", [orientation] * len(names))
    found = collect_derivatives(derivatives, "01", [], session_id=sessions)
    assert set(found) == {"t1w_mask", "transforms"}
    assert_brain_alone(
        masked([data / name for name in names], found["t1w_mask"], tmp_path, monkeypatch)
    )


def test_session_by_session_each_has_its_own(stripped, tmp_path, monkeypatch):
    data, derivatives, _ = stripped(TWO, "sessionwise", ["PSR", "RAS"])
    for name, session in zip(TWO, "ab", strict=True):
        mask = collect_derivatives(derivatives, "01", [], session_id=session)["t1w_mask"]
        assert_brain_alone(masked([data / name], mask, tmp_path, monkeypatch))


def test_scans_that_fmriprep_would_resample_get_no_mask_and_are_told_so(stripped):
    _, derivatives, rows = stripped(TWO, "first-lex", ["RAS", "PSR"])
    assert "no mask for fMRIPrep" in rows[0]["message"]
    assert not derivatives.exists()
