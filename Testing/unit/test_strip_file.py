"""Files in, files out, around a stand-in network that thresholds the phantom.

`ThresholdEngine` and `FailingEngine` are stand-ins; everything else is the real thing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from SkullStripLib import metrics
from SkullStripLib.errors import Cancelled, InputError, OutputError, WeightsError
from SkullStripLib.manifest import MANIFEST_NAME
from SkullStripLib.strip_file import default_outputs, strip_file
from Testing.stand_ins import FailingEngine, ThresholdEngine

PHANTOM_DICE = 0.97
ALL_OUTPUTS = {
    "brain": "brain.nii.gz",
    "mask": "mask.nii.gz",
    "probability": "p.nii.gz",
    "confidence": "c.nii.gz",
    "head": "head.nii.gz",
    "surface": "brain.stl",
    "qc": "qc.png",
    "json": "out.json",
}
JSON_KEYS = {
    "version", "input", "outputs", "volume_ml", "border_mm", "views", "engine", "device",
    "weights_sha256", "timings", "checks", "quality", "volume_error_ml", "verdict", "dice_estimate",
    "dice_error", "keep_csf", "reorient",
}  # fmt: skip


@pytest.fixture(scope="module")
def head(phantom):
    return phantom("LPS", (3.0, 3.0, 3.0))


@pytest.fixture
def scan(tmp_path, head):
    return save(tmp_path / "T1.nii.gz", head.array.astype(np.int16), head.affine)


@pytest.fixture
def strip(stand_in_weights):
    """`strip_file` with the stand-in network."""

    def call(path, *, engine=None, **options):
        options.setdefault("weights", stand_in_weights)
        return strip_file(path, engine=engine or ThresholdEngine(), **options)

    return call


def save(path, array, affine):
    nibabel.save(nibabel.Nifti1Image(array, affine, dtype=array.dtype), path)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def all_outputs(folder):
    return {name: folder / file for name, file in ALL_OUTPUTS.items()}


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
    assert report["dice_estimate"] == pytest.approx(result.dice_estimate, abs=1e-4)
    assert (report["border_mm"], report["views"]) == (1.0, 3)
    assert (report["engine"], report["device"]) == ("stand-in", "cpu")
    assert report["weights_sha256"] == result.weights_sha256
    assert report["input"] == str(scan)
    assert report["outputs"] == {name: str(p) for name, p in all_outputs(tmp_path).items()}
    assert {"read", "predict", "write"} <= report["timings"].keys()
    assert report["checks"] == []


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


def test_a_kept_probability_gives_another_border_without_the_network(tmp_path, scan, strip):
    kept = tmp_path / "p.nii.gz"
    strip(scan, probability=kept)
    wanted = strip(scan, border_mm=3.0)
    never = FailingEngine(AssertionError("the network ran"))
    outputs = {"mask": tmp_path / "m.nii.gz", "qc": tmp_path / "q.png", "json": tmp_path / "j"}
    found = strip(scan, from_probability=kept, border_mm=3.0, engine=never, **outputs)
    np.testing.assert_array_equal(found.brain_mask, wanted.brain_mask)
    assert json.loads((tmp_path / "j").read_text())["engine"] == "none"
    assert (tmp_path / "q.png").is_file()


def test_the_kept_probability_is_not_overwritten(tmp_path, scan, strip):
    kept = tmp_path / "p.nii.gz"
    strip(scan, probability=kept)
    with pytest.raises(OutputError, match="is also the input"):
        strip(scan, from_probability=kept, mask=kept)


def test_a_surface_of_another_format_is_refused_before_the_run(tmp_path, scan, strip):
    never = FailingEngine(AssertionError("the network ran"))
    with pytest.raises(OutputError, match=r"use one of \.vtp, \.stl, \.ply"):
        strip(scan, surface=tmp_path / "brain.obj", engine=never)


def test_only_what_is_named_is_written(tmp_path, scan, strip):
    (tmp_path / "out").mkdir()
    strip(scan, probability=tmp_path / "out" / "p.nii")
    assert names(tmp_path / "out") == ["p.nii"]
    strip(scan)
    assert names(tmp_path) == ["T1.nii.gz", "out"]


def test_the_phantoms_brain_is_found(scan, head, strip):
    result = strip(scan)
    assert metrics.dice(result.brain_mask, head.brain_mask) > PHANTOM_DICE


def test_outputs_may_be_paths_as_text_with_other_letters(tmp_path, head, strip):
    folder = tmp_path / "Köpfe 頭"
    folder.mkdir()
    scan = save(folder / "T1 ä.nii", head.array, head.affine)
    strip(str(scan), mask=str(folder / "Maske ß.nii.gz"), json=str(folder / "ö.json"))
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


def test_int8_with_negative_values_works(tmp_path, head, strip):
    array = np.clip(head.array - 60, -128, 127).astype(np.int8)
    result = strip(save(tmp_path / "T1.nii.gz", array, head.affine))
    assert result.checks == ()
    assert metrics.dice(result.brain_mask, head.brain_mask) > PHANTOM_DICE


def test_a_header_without_orientation_is_named_in_the_checks(tmp_path, head, strip):
    image = nibabel.Nifti1Image(head.array, None)
    image.header.set_zooms((3, 3, 3))
    nibabel.save(image, tmp_path / "T1.nii.gz")
    result = strip(tmp_path / "T1.nii.gz", json=tmp_path / "out.json")
    assert [check.code for check in result.checks] == ["no_orientation"]
    (check,) = json.loads((tmp_path / "out.json").read_text())["checks"]
    assert check.keys() == {"code", "severity", "message"}


# ---- nothing is written when something is wrong --------------------------------------------------


@pytest.mark.parametrize("name", ALL_OUTPUTS)
@pytest.mark.parametrize("where", ["missing/{}", "T1.nii.gz/{}"])
def test_an_output_that_cannot_be_written_is_refused_before_the_run(
    tmp_path, scan, strip, name, where
):
    outputs = all_outputs(tmp_path) | {name: tmp_path / where.format(ALL_OUTPUTS[name])}
    never = FailingEngine(AssertionError("the network ran"))
    with pytest.raises(OutputError, match="not an existing folder"):
        strip(scan, engine=never, **outputs)
    assert names(tmp_path) == ["T1.nii.gz"]


@pytest.mark.parametrize("how", ["same", "dotted", "symlink", "hardlink", "folder link"])
def test_an_output_equal_to_the_input_is_refused(tmp_path, scan, strip, how):
    before = scan.read_bytes()
    (tmp_path / "sub").mkdir()
    output = tmp_path / "other.nii.gz"
    if how == "same":
        output = scan
    elif how == "dotted":
        output = tmp_path / "sub" / ".." / "T1.nii.gz"
    elif how == "symlink":
        output.symlink_to(scan)
    elif how == "hardlink":
        os.link(scan, output)
    else:
        (tmp_path / "link").symlink_to(tmp_path)
        output = tmp_path / "link" / "T1.nii.gz"
    with pytest.raises(OutputError, match="is also the input"):
        strip(scan, mask=output)
    assert scan.read_bytes() == before


def test_the_other_half_of_a_pair_is_the_input_too(tmp_path, head, strip):
    nibabel.save(nibabel.Nifti1Pair(head.array, head.affine), tmp_path / "T1.img")
    with pytest.raises(OutputError, match="is also the input"):
        strip(tmp_path / "T1.img", mask=tmp_path / "T1.hdr")


def test_two_outputs_of_one_name_are_refused(tmp_path, scan, strip):
    with pytest.raises(OutputError, match="is also the brain output; name another mask"):
        strip(scan, brain=tmp_path / "x.nii", mask=tmp_path / "x.nii")


@pytest.mark.parametrize(("name", "file"), [("mask", "mask.txt"), ("qc", "qc.jpg")])
def test_an_ending_that_cannot_be_written_is_refused(tmp_path, scan, strip, name, file):
    with pytest.raises(OutputError, match=r"mask\.txt|qc\.jpg"):
        strip(scan, **{name: tmp_path / file})


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), Cancelled("stop"), RuntimeError("x"), MemoryError()]
)
def test_a_run_that_fails_leaves_nothing(tmp_path, scan, strip, error):
    with pytest.raises(type(error)):
        strip(scan, engine=FailingEngine(error), **all_outputs(tmp_path))
    assert names(tmp_path) == ["T1.nii.gz"]


def test_an_output_that_fails_late_takes_the_others_with_it(tmp_path, scan, strip):
    outputs = all_outputs(tmp_path)

    def vanish(stage, done, total):
        if stage == "mask":  # the folder of one output disappears while the network runs
            (tmp_path / "sub").rmdir()

    (tmp_path / "sub").mkdir()
    outputs["json"] = tmp_path / "sub" / "out.json"
    with pytest.raises(OutputError, match="nothing was changed"):
        strip(scan, progress=vanish, **outputs)
    assert names(tmp_path) == ["T1.nii.gz"]


def test_older_outputs_survive_a_run_that_fails_and_not_one_that_succeeds(tmp_path, scan, strip):
    (tmp_path / "mask.nii.gz").write_bytes(b"old")
    with pytest.raises(RuntimeError):
        strip(scan, mask=tmp_path / "mask.nii.gz", engine=FailingEngine(RuntimeError()))
    assert (tmp_path / "mask.nii.gz").read_bytes() == b"old"
    strip(scan, mask=tmp_path / "mask.nii.gz")
    assert nibabel.load(tmp_path / "mask.nii.gz").shape == nibabel.load(scan).shape


@pytest.mark.parametrize(("option", "value"), [("border_mm", np.nan), ("views", 2)])
def test_options_are_checked_before_the_scan_is_read(tmp_path, strip, option, value):
    with pytest.raises(InputError, match=r"border|views"):
        strip(tmp_path / "missing.nii", **{option: value})


def test_tampered_weights_are_refused(tmp_path, scan, stand_in_weights, strip):
    folder = tmp_path / "weights"
    folder.mkdir()
    for file in stand_in_weights.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "weights.npz").write_bytes(b"something else")
    (tmp_path / "out").mkdir()
    with pytest.raises(WeightsError):
        strip(scan, weights=folder / MANIFEST_NAME, **all_outputs(tmp_path / "out"))
    assert names(tmp_path / "out") == []
