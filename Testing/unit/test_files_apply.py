"""`strip_file` on a session: the same mask for its other scans, all written or nothing.

`ThresholdEngine` and `FailingEngine` are stand-ins; everything else is the real thing.
"""

import json

import nibabel
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skullstrip.errors import InputError, OutputError
from skullstrip.files import default_outputs
from Testing.image_files import names, save, save_head
from Testing.stand_ins import FailingEngine

NEVER = FailingEngine(AssertionError("the network ran"))


@pytest.fixture
def flair(tmp_path):
    return save_head(tmp_path / "FLAIR.nii.gz", "PIR", (3.0, 5.0, 3.0))


def test_each_scan_gets_brain_and_mask_on_its_own_grid_and_the_report_tells(
    tmp_path, scan, flair, strip
):
    report = tmp_path / "out.json"
    outputs = default_outputs(flair)
    result = strip(scan, mask=tmp_path / "m.nii", apply_to={flair: outputs}, json=report)
    (carried,) = result.carried
    stored, mask, brain = (
        nibabel.load(path) for path in (flair, outputs["mask"], outputs["brain"])
    )
    assert_array_equal(mask.affine, stored.affine)
    assert_array_equal(mask.dataobj, carried.brain_mask)
    assert_array_equal(brain.dataobj, np.asarray(stored.dataobj) * carried.brain_mask)
    assert (mask.get_data_dtype(), brain.get_data_dtype()) == (np.uint8, np.int16)
    content = json.loads(report.read_text())
    assert content["outputs"] == {"mask": "m.nii", "json": "out.json"}
    (applied,) = content["applied_to"]
    assert applied.keys() == {
        "input", "outputs", "volume_ml", "verdict", "overlap", "alignment", "checks", "quality",
    }  # fmt: skip
    assert applied["input"] == "FLAIR.nii.gz"
    assert applied["outputs"] == {"brain": "FLAIR_brain.nii.gz", "mask": "FLAIR_brain_mask.nii.gz"}
    assert applied["overlap"] == pytest.approx(carried.overlap, abs=1e-4)
    assert (applied["verdict"], applied["alignment"]) == (carried.verdict, None)


def test_one_scan_that_cannot_have_the_mask_leaves_nothing_written(
    tmp_path, scan, head, flair, strip
):
    away = head.affine.copy()
    away[2, 3] += 500
    other = save(tmp_path / "T2.nii.gz", head.array, away)
    targets = {path: default_outputs(path) for path in (flair, other)}
    with pytest.raises(InputError, match=r"T2\.nii\.gz: Nothing of the brain lies in this scan"):
        strip(scan, **default_outputs(scan), apply_to=targets)
    assert names(tmp_path) == ["FLAIR.nii.gz", "T1.nii.gz", "T2.nii.gz"]


@pytest.mark.parametrize(
    ("taken", "words"),
    [("T1.nii.gz", "the input"), ("FLAIR.nii.gz", "the input"), ("m.nii.gz", "the mask output")],
)
def test_no_output_is_a_scan_or_another_output(tmp_path, scan, flair, strip, taken, words):
    targets = {flair: {"mask": tmp_path / taken}}
    with pytest.raises(OutputError, match=f"{taken} is also {words}"):
        strip(scan, mask=tmp_path / "m.nii.gz", apply_to=targets, engine=NEVER)


def test_a_scan_that_cannot_be_read_is_refused_before_the_run(tmp_path, scan, strip):
    missing = tmp_path / "T2.nii.gz"
    with pytest.raises(InputError, match=r"T2\.nii\.gz"):
        strip(scan, apply_to={missing: default_outputs(missing)}, engine=NEVER)


def test_a_kept_probability_is_not_carried_for_want_of_a_verdict(tmp_path, scan, flair, strip):
    strip(scan, probability=tmp_path / "p.nii.gz")
    targets = {flair: default_outputs(flair)}
    with pytest.raises(InputError, match="'--apply-to' needs the network"):
        strip(scan, from_probability=tmp_path / "p.nii.gz", apply_to=targets)
