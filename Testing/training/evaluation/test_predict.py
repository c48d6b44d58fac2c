"""Prediction over a folder; the network is a stand-in (`ThresholdEngine`)."""

import shutil

import numpy as np
import pytest

from skullstrip.errors import Cancelled
from skullstrip.io.images import read_image
from Testing.stand_ins import FailingEngine
from training.__main__ import run
from training.evaluation.predict import images_to_predict


def test_every_scan_gets_a_mask_on_its_own_grid_and_finished_ones_are_left(
    phantom_data, stand_in, tmp_path, monkeypatch
):
    assert run("predict", str(phantom_data), str(tmp_path), *stand_in) == 0
    for name, source in images_to_predict(phantom_data, "all").items():
        mask, scan = read_image(tmp_path / f"{name}_mask.nii.gz"), read_image(source)
        np.testing.assert_array_equal(mask.affine, scan.affine)
        assert mask.array.shape == scan.array.shape
        assert set(np.unique(mask.array)) == {0, 1}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    engine = FailingEngine(AssertionError("run again"))
    monkeypatch.setattr("skullstrip.pipeline.create_engine", lambda *_: engine)
    assert run("predict", str(phantom_data), str(tmp_path), *stand_in) == 0
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_scans_without_masks_are_predicted_too(tmp_path):
    for name in ("x_T1w.nii.gz", "y.nii.gz", "y_mask.nii.gz"):
        (tmp_path / name).touch()
    assert images_to_predict(tmp_path, "all") == {
        "x": tmp_path / "x_T1w.nii.gz",
        "y": tmp_path / "y.nii.gz",
    }


def test_a_cancelled_run_stops_and_leaves_nothing_half_done(
    phantom_data, stand_in, tmp_path, monkeypatch
):
    engine = FailingEngine(Cancelled("stopped"))
    monkeypatch.setattr("skullstrip.pipeline.create_engine", lambda *_: engine)
    with pytest.raises(Cancelled):
        run("predict", str(phantom_data), str(tmp_path), *stand_in)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_scan_does_not_stop_the_others_and_shows_in_the_exit_status(
    phantom_data, stand_in, tmp_path
):
    data, out = shutil.copytree(phantom_data, tmp_path / "data"), tmp_path / "out"
    (data / "a_broken.nii.gz").write_bytes(b"no image")
    assert run("predict", str(data), str(out), *stand_in) == 1
    assert {path.name for path in out.iterdir()} == {"one_mask.nii.gz", "two_mask.nii.gz"}
