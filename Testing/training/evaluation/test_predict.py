"""Prediction over a folder; the network is a stand-in (`ThresholdEngine`)."""

import shutil

import numpy as np
import pytest

from skullstrip.errors import Cancelled
from skullstrip.io.images import read_image
from Testing.stand_ins import FailingEngine, ThresholdEngine
from training.evaluation.predict import images_to_predict, main, predict


@pytest.fixture
def stand_in_options(around):
    return around(ThresholdEngine())


def test_every_scan_gets_a_mask_on_its_own_grid(phantom_data, stand_in_options, tmp_path):
    images = images_to_predict(phantom_data, "all")
    assert predict(images, tmp_path, stand_in_options) == {}
    for name, source in images.items():
        mask, scan = read_image(tmp_path / f"{name}_mask.nii.gz"), read_image(source)
        np.testing.assert_array_equal(mask.affine, scan.affine)
        assert mask.array.shape == scan.array.shape
        assert set(np.unique(mask.array)) == {0, 1}


def test_scans_without_masks_are_predicted_too(tmp_path):
    for name in ("x_T1w.nii.gz", "y.nii.gz", "y_mask.nii.gz"):
        (tmp_path / name).touch()
    assert images_to_predict(tmp_path, "all") == {
        "x": tmp_path / "x_T1w.nii.gz",
        "y": tmp_path / "y.nii.gz",
    }


def test_finished_scans_are_left_as_they_are(phantom_data, stand_in_options, around, tmp_path):
    images = images_to_predict(phantom_data, "all")
    predict(images, tmp_path, stand_in_options)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert predict(images, tmp_path, around(FailingEngine(AssertionError("run again")))) == {}
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_a_cancelled_run_stops_and_leaves_nothing_half_done(phantom_data, around, tmp_path):
    stopped = around(FailingEngine(Cancelled("stopped")))
    with pytest.raises(Cancelled):
        predict(images_to_predict(phantom_data, "all"), tmp_path, stopped)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_scan_does_not_stop_the_others_and_shows_in_the_exit_status(
    phantom_data, stand_in, tmp_path
):
    data, out = shutil.copytree(phantom_data, tmp_path / "data"), tmp_path / "out"
    assert main([str(data), str(out), *stand_in]) == 0
    (data / "broken.nii.gz").write_bytes(b"no image")
    assert main([str(data), str(out), "--overwrite", *stand_in]) == 1
    assert {path.name for path in out.iterdir()} == {"one_mask.nii.gz", "two_mask.nii.gz"}
