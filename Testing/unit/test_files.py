"""Files in, files out, around a stand-in network that thresholds the phantom.

`ThresholdEngine` and `FailingEngine` are stand-ins; everything else is the real thing.
"""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from skullstrip.errors import InputError, OutputError
from skullstrip.files import default_outputs
from skullstrip.network.manifest import MANIFEST_NAME
from skullstrip.quality.calibration import load_calibration
from Testing.stripping_files import all_outputs, names, save
from training.evaluation import metrics

PHANTOM_DICE = 0.97
JSON_KEYS = {
    "version", "input", "outputs", "volume_ml", "border_mm", "views", "engine", "device",
    "weights_sha256", "timings", "checks", "quality", "volume_error_ml", "verdict", "dice_estimate",
    "dice_error", "keep_csf", "reorient", "judged", "calibration_sha256", "views_used",
}  # fmt: skip


# ---- what is written -----------------------------------------------------------------------------


def test_every_output_agrees_with_the_result(tmp_path, scan, head, strip):
    result = strip(scan, **all_outputs(tmp_path), border_mm=1.0, views=3)
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    brain = nibabel.load(tmp_path / "brain.nii.gz")
    probability = nibabel.load(tmp_path / "p.nii.gz")
    np.testing.assert_array_equal(mask.dataobj, result.brain_mask)
    np.testing.assert_array_equal(probability.dataobj, result.brain_probability)
    confidence = nibabel.load(tmp_path / "c.nii.gz")
    np.testing.assert_array_equal(confidence.dataobj, result.brain_confidence)
    stored = np.asarray(nibabel.load(scan).dataobj)
    np.testing.assert_array_equal(brain.dataobj, stored * result.brain_mask)
    assert [image.get_data_dtype() for image in (mask, brain, probability)] == [
        np.uint8,
        np.int16,
        np.float32,
    ]
    assert (tmp_path / "qc.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((tmp_path / "out.json").read_text())
    assert report.keys() == JSON_KEYS
    assert report["volume_ml"] == pytest.approx(result.volume_ml, abs=1e-3)
    assert report["verdict"] == result.verdict
    assert (report["judged"], report["volume_error_ml"]) == ("before border", None)
    assert report["dice_estimate"] == pytest.approx(result.dice_estimate, abs=1e-4)
    assert (report["border_mm"], report["views"]) == (1.0, 3)
    assert report["views_used"] == result.views_used == "every slice along X, Y, Z"
    assert (report["engine"], report["device"]) == ("stand-in", "cpu")
    assert report["weights_sha256"] == result.weights_sha256
    assert report["calibration_sha256"] == load_calibration().sha256
    assert report["input"] == "T1.nii.gz"
    assert report["outputs"] == {name: p.name for name, p in all_outputs(tmp_path).items()}
    assert {"read", "predict", "write"} <= report["timings"].keys()
    assert report["checks"] == []


def test_the_report_holds_paths_only_when_asked_to(tmp_path, scan, strip):
    for asked in (False, True):
        strip(scan, json=tmp_path / "out.json", absolute_paths=asked)
        assert (str(tmp_path) in (tmp_path / "out.json").read_text()) is asked


def test_brain_and_head_are_the_scan_between_them(tmp_path, scan, strip):
    strip(scan, brain=tmp_path / "b.nii.gz", head=tmp_path / "h.nii.gz", mask=tmp_path / "m.nii.gz")
    stored, brain, rest, mask = (
        np.asarray(nibabel.load(path).dataobj)
        for path in (scan, *(tmp_path / f"{name}.nii.gz" for name in "bhm"))
    )
    assert rest.dtype == stored.dtype
    np.testing.assert_array_equal(brain + rest, stored)
    np.testing.assert_array_equal(rest, np.where(mask, 0, stored))


def test_the_surface_encloses_the_masks_volume_even_without_csf(tmp_path, scan, strip):
    result = strip(scan, surface=tmp_path / "s.stl", keep_csf=False, border_mm=1.0)
    content = (tmp_path / "s.stl").read_bytes()
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("colour", "<u2")])
    a, b, c = np.moveaxis(np.frombuffer(content, record, offset=84)["corners"], 1, 0)
    volume_ml = np.einsum("ij,ij->", a.astype(float), np.cross(b, c).astype(float)) / 6000
    assert volume_ml == pytest.approx(result.volume_ml, rel=0.01)


def test_the_kept_probability_is_not_overwritten(tmp_path, scan, strip):
    kept = tmp_path / "p.nii.gz"
    strip(scan, probability=kept)
    with pytest.raises(OutputError, match="is also the input"):
        strip(scan, from_probability=kept, mask=kept)


@pytest.mark.parametrize("option", [{"views": 3}, {"reorient": True}, {"confidence": "c.nii.gz"}])
def test_what_needs_the_network_is_refused_beside_a_kept_probability(tmp_path, scan, strip, option):
    strip(scan, probability=tmp_path / "p.nii.gz")
    with pytest.raises(InputError, match=f"'--{next(iter(option))}' needs the network"):
        strip(scan, from_probability=tmp_path / "p.nii.gz", **option)


def test_a_kept_probability_is_cut_at_the_threshold_of_the_weights(
    tmp_path, scan, head, strip, stand_in_weights
):
    (tmp_path / "w").mkdir()
    for file in stand_in_weights.iterdir():
        (tmp_path / "w" / file.name).write_bytes(file.read_bytes())
    manifest = tmp_path / "w" / MANIFEST_NAME
    content = json.loads(manifest.read_text()) | {"threshold": 0.1}
    manifest.write_text(json.dumps(content))
    kept = save(tmp_path / "p.nii", np.float32(0.3) * head.brain_mask, head.affine)
    found = strip(scan, weights=tmp_path / "w", from_probability=kept)
    np.testing.assert_array_equal(found.brain_mask, head.brain_mask)
    with pytest.raises(InputError, match="No brain was found"):
        strip(scan, from_probability=kept)


def test_only_what_is_named_is_written(tmp_path, scan, strip):
    (tmp_path / "out").mkdir()
    strip(scan, probability=tmp_path / "out" / "p.nii")
    assert names(tmp_path / "out") == ["p.nii"]
    strip(scan)
    assert names(tmp_path) == ["T1.nii.gz", "out"]


def test_outputs_may_be_paths_as_text_with_other_letters(tmp_path, head, strip):
    folder = tmp_path / "Köpfe 頭"
    folder.mkdir()
    scan = save(folder / "T1 ä.nii", head.array, head.affine)
    strip(str(scan), mask=str(folder / "Maske ß.nii.gz"), json=str(folder / "ö.json"),
              absolute_paths=True)  # fmt: skip
    assert names(folder) == sorted(["T1 ä.nii", "Maske ß.nii.gz", "ö.json"])
    assert "Köpfe 頭" in (folder / "ö.json").read_text(encoding="utf-8")


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


# ---- odd but good inputs -------------------------------------------------------------------------


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
