"""Files in, files out, around a stand-in network that thresholds the phantom.

`ThresholdEngine` and `FailingEngine` are stand-ins; everything else is the real thing.
"""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from skullstrip.errors import InputError
from skullstrip.files import default_outputs
from skullstrip.network.manifest import MANIFEST_NAME
from skullstrip.quality.calibration import load_calibration
from Testing.image_files import names, save, save_head
from training.evaluation import metrics

PHANTOM_DICE = 0.97
JSON_KEYS = {
    "version", "input", "outputs", "volume_ml", "border_mm", "views", "engine", "device",
    "weights_sha256", "timings", "checks", "quality", "volume_error_ml", "verdict", "dice_estimate",
    "dice_error", "keep_csf", "reorient", "judged", "calibration_sha256", "views_used",
}  # fmt: skip


def test_every_output_agrees_with_the_result(tmp_path, scan, strip, all_outputs):
    result = strip(scan, **all_outputs, border_mm=1.0, views=3)
    stored = np.asarray(nibabel.load(scan).dataobj)
    for name, dtype, expected in (
        ("mask", np.uint8, result.brain_mask),
        ("brain", np.int16, stored * result.brain_mask),
        ("head", np.int16, stored * ~result.brain_mask),
        ("probability", np.float32, result.brain_probability),
        ("confidence", np.float32, result.brain_confidence),
    ):
        image = nibabel.load(all_outputs[name])
        assert image.get_data_dtype() == dtype
        np.testing.assert_array_equal(image.dataobj, expected)
    assert all_outputs["qc"].read_bytes().startswith(b"\x89PNG")
    report = json.loads(all_outputs["json"].read_text())
    assert report.keys() == JSON_KEYS
    assert report["volume_ml"] == pytest.approx(result.volume_ml, abs=1e-3)
    assert report["dice_estimate"] == pytest.approx(result.dice_estimate, abs=1e-4)
    assert {"read", "predict", "write"} <= report["timings"].keys()
    expected = {
        "input": "T1.nii.gz", "outputs": {name: p.name for name, p in all_outputs.items()},
        "verdict": result.verdict, "judged": "before border", "volume_error_ml": None,
        "border_mm": 1.0, "views": 3, "views_used": "every slice along X, Y, Z",
        "engine": "stand-in", "device": "cpu", "weights_sha256": result.weights_sha256,
        "calibration_sha256": load_calibration().sha256, "checks": [],
    }  # fmt: skip
    assert report | expected == report


def test_paths_may_be_texts_in_other_letters_and_the_report_holds_them_only_when_asked(
    tmp_path, strip
):
    folder = tmp_path / "Köpfe 頭"
    scan, mask, report = (folder / name for name in ("T1 ä.nii", "Maske ß.nii", "ö.json"))
    save_head(scan, "LPS", (3.0, 3.0, 3.0))
    for asked in (False, True):
        strip(str(scan), mask=str(mask), json=str(report), absolute_paths=asked)
        assert (folder.name in report.read_text(encoding="utf-8")) is asked
    assert names(folder) == sorted(path.name for path in (scan, mask, report))


def test_the_surface_encloses_the_masks_volume_even_without_csf(tmp_path, scan, strip):
    result = strip(scan, surface=tmp_path / "s.stl", keep_csf=False, border_mm=1.0)
    content = (tmp_path / "s.stl").read_bytes()
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("colour", "<u2")])
    a, b, c = np.moveaxis(np.frombuffer(content, record, offset=84)["corners"], 1, 0)
    volume_ml = np.einsum("ij,ij->", a.astype(float), np.cross(b, c).astype(float)) / 6000
    assert volume_ml == pytest.approx(result.volume_ml, rel=0.01)


@pytest.mark.parametrize("option", [{"views": 3}, {"reorient": True}, {"confidence": "c.nii.gz"}])
def test_what_needs_the_network_is_refused_beside_a_kept_probability(tmp_path, scan, strip, option):
    strip(scan, probability=tmp_path / "p.nii.gz")
    with pytest.raises(InputError, match=f"'--{next(iter(option))}' needs the network"):
        strip(scan, from_probability=tmp_path / "p.nii.gz", **option)


def test_a_kept_probability_is_cut_at_the_threshold_of_the_weights(
    tmp_path, scan, head, strip, stand_in_weights
):
    weights = shutil.copytree(stand_in_weights, tmp_path / "w")
    content = json.loads((weights / MANIFEST_NAME).read_text()) | {"threshold": 0.1}
    (weights / MANIFEST_NAME).write_text(json.dumps(content))
    kept = save(tmp_path / "p.nii", np.float32(0.3) * head.brain_mask, head.affine)
    found = strip(scan, weights=weights, from_probability=kept)
    np.testing.assert_array_equal(found.brain_mask, head.brain_mask)
    with pytest.raises(InputError, match="No brain was found"):
        strip(scan, from_probability=kept)


@pytest.mark.parametrize(
    ("name", "brain", "mask"),
    [
        ("T1.nii.gz", "T1_brain.nii.gz", "T1_brain_mask.nii.gz"),
        ("sub.01.mgz", "sub.01_brain.mgz", "sub.01_brain_mask.mgz"),
        ("a.NII", "a_brain.nii", "a_brain_mask.nii"),
        ("scan.mnc", "scan_brain.nii.gz", "scan_brain_mask.nii.gz"),
    ],
)
def test_default_names_stand_beside_the_input(name, brain, mask):
    outputs = default_outputs(Path("folder") / name)
    assert outputs == {"brain": Path("folder") / brain, "mask": Path("folder") / mask}


def test_nan_and_infinity_are_background_with_a_warning(tmp_path, head, strip):
    array = head.array.copy()
    air = np.argwhere(array < 5)[::50]
    array[tuple(air.T)] = np.nan
    array[tuple(air[0])] = np.inf
    scan = save(tmp_path / "T1.nii.gz", array, head.affine)
    result = strip(scan, brain=tmp_path / "brain.nii.gz")
    assert [check.code for check in result.checks] == ["non_finite"]
    assert metrics.dice(result.brain_mask, head.brain_mask) > PHANTOM_DICE
    assert np.isfinite(nibabel.load(tmp_path / "brain.nii.gz").dataobj).all()
    assert np.isfinite(result.brain_probability).all()
