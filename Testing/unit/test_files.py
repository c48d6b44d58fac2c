"""Files in, files out, around a stand-in network that thresholds the phantom.

`ThresholdEngine` and `FailingEngine` are stand-ins; everything else is the real thing. Where
something is wrong there is a sentence, and nothing is written.
"""

import json
import os
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skullstrip.errors import InputError, OutputError, SkullStripError
from skullstrip.files import brain_from_probability, read_on_grid
from skullstrip.io import images
from skullstrip.options import Options
from skullstrip.output_files import Inputs, default_outputs
from skullstrip.pipeline import extract_brain
from skullstrip.quality.calibration import load_calibration
from skullstrip.report import quality_line
from Testing.image_files import names, save, save_head
from Testing.stand_ins import FailingEngine, ThresholdEngine

NEVER = FailingEngine(AssertionError("the network ran"))
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
        assert_array_equal(image.dataobj, expected)
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
    tmp_path, strip, monkeypatch
):
    folder = tmp_path / "Köpfe 頭"
    monkeypatch.setenv("HOME", str(folder))
    scan, mask, report = (folder / name for name in ("T1 ä.nii", "Maske ß.nii", "ö.json"))
    save_head(scan, "LPS", (3.0, 3.0, 3.0))
    for asked in (False, True):
        strip(str(scan), mask=f"~/{mask.name}", json=str(report), absolute_paths=asked)
        assert (folder.name in report.read_text(encoding="utf-8")) is asked
    assert names(folder) == sorted(path.name for path in (scan, mask, report))


def test_beside_a_kept_probability_what_needs_the_network_is_refused(tmp_path, scan, strip):
    kept = tmp_path / "p.nii.gz"
    strip(scan, probability=kept)
    for option in ({"views": 3}, {"reorient": True}, {"confidence": "c.nii"}, {"apply_to": {}}):
        name = next(iter(option)).replace("_", "-")
        with pytest.raises(InputError, match=f"'--{name}' needs the network"):
            strip(scan, from_probability=kept, **option)
    with pytest.raises(OutputError, match="is also the input"):
        strip(scan, from_probability=kept, mask=kept)


@pytest.mark.parametrize("border_mm", [-3.0, 0.0, 4.5])
@pytest.mark.parametrize("keep_csf", [True, False])
def test_another_border_needs_no_network(stand_in_weights, head, border_mm, keep_csf):
    options = {"engine": ThresholdEngine(), "weights": stand_in_weights}
    first = extract_brain(head.array, head.affine, **options)
    cut = {"border_mm": border_mm, "keep_csf": keep_csf}
    wanted = extract_brain(head.array, head.affine, **cut, **options)
    kept = first.brain_probability
    found = brain_from_probability(head.array, head.affine, kept, Options(**cut))
    assert_array_equal(found.brain_mask, wanted.brain_mask)
    assert found.volume_ml == wanted.volume_ml
    assert found.engine == "none"
    assert [check.code for check in found.quality] == ["not_judged"]
    assert quality_line(found) == "not judged"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p[1:], "has shape"),
        (lambda p: p * 100, "reaches from 0 to 100"),
        (lambda p: p * np.nan, "reaches from nan"),
        (lambda p: p * 0, "No brain was found"),
    ],
)
def test_what_is_no_probability_of_this_scan_is_refused(head, change, message):
    with pytest.raises(InputError, match=message):
        brain_from_probability(head.array, head.affine, change(head.brain_mask.astype(np.float32)))


def test_a_probability_on_another_grid_is_refused_in_one_sentence(tmp_path, head):
    image = images.read_image(save(tmp_path / "T1.nii", head.array, head.affine))
    moved = head.affine.copy()
    moved[0, 3] += 1
    probability = head.brain_mask.astype(np.float32)
    same = read_on_grid(save(tmp_path / "p.nii", probability, head.affine), image, "probability")
    assert_array_equal(same, probability)
    lost = head.affine * np.nan
    for affine, array in (
        (moved, probability),
        (head.affine, probability[1:]),
        (lost, probability),
    ):
        other = save(tmp_path / "q.nii", array, affine)
        with pytest.raises(InputError, match=r"is not on the grid of .*T1\.nii"):
            read_on_grid(other, image, "probability")


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


@pytest.mark.parametrize("where", ["T1.nii.gz", "T1.nii.gz/more"])
def test_an_output_that_cannot_be_written_is_refused_before_the_run(
    tmp_path, scan, strip, all_outputs, where
):
    for name, path in all_outputs.items():
        outputs = all_outputs | {name: tmp_path / where / path.name}
        with pytest.raises(OutputError, match="cannot be written"):
            strip(scan, engine=NEVER, **outputs)
    assert names(tmp_path) == ["T1.nii.gz"]


@pytest.mark.parametrize("how", ["same", "dotted", "symlink", "hardlink", "folder link"])
def test_an_output_equal_to_the_input_is_refused(tmp_path, scan, strip, how):
    before, other = scan.read_bytes(), tmp_path / "other.nii.gz"
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    if how == "symlink":
        other.symlink_to(scan)
    elif how == "hardlink":
        os.link(scan, other)
    places = {"same": scan, "dotted": tmp_path / "sub" / ".." / scan.name,
              "folder link": tmp_path / "link" / scan.name}  # fmt: skip
    with pytest.raises(OutputError, match="is also the input"):
        strip(scan, mask=places.get(how, other))
    assert scan.read_bytes() == before


@pytest.mark.parametrize("field", ["data file: ", "data file:=", ":x\nDATA FILE: "])
def test_the_other_file_of_a_scan_is_the_input_too_and_never_overwritten(
    tmp_path, head, strip, field
):
    nibabel.save(nibabel.Nifti1Pair(head.array, head.affine), tmp_path / "T1.img")
    with pytest.raises(OutputError, match="is also the input"):
        strip(tmp_path / "T1.img", mask=tmp_path / "T1.hdr")
    header = {"space": "RAS", "space directions": head.affine[:3, :3].T}
    nrrd.write(str(tmp_path / "vox.nhdr"), head.array, header)
    scan = (tmp_path / "vox.nhdr").rename(tmp_path / "T1.nhdr")
    scan.write_text(scan.read_text().replace("data file: ", field))
    before = (tmp_path / "vox.raw.gz").read_bytes()
    with pytest.raises(OutputError, match="is also the input"):
        strip(scan, mask=tmp_path / "vox.nhdr")
    assert (tmp_path / "vox.raw.gz").read_bytes() == before


@pytest.mark.parametrize(("mask", "data"), [("m.nhdr", "m.raw.gz"), ("m.hdr", "m.img")])
def test_a_data_file_that_belongs_to_something_else_is_not_replaced(
    tmp_path, scan, strip, mask, data
):
    (tmp_path / data).write_bytes(b"somebody's")
    with pytest.raises(OutputError, match=f"would replace .*{data}, which is no part of it"):
        strip(scan, mask=tmp_path / mask)
    assert (tmp_path / data).read_bytes() == b"somebody's"
    (tmp_path / data).unlink()
    for _ in range(2):  # its own data file goes with a header that was named
        strip(scan, mask=tmp_path / mask)


def test_an_output_that_fails_late_takes_the_others_with_it(tmp_path, scan, strip, all_outputs):
    def vanish(stage, done, total):
        if stage == "mask":  # the folder of one output disappears while the network runs
            (tmp_path / "sub").rmdir()
            (tmp_path / "sub").write_text("a file")

    (tmp_path / "sub").mkdir()
    outputs = all_outputs | {"json": tmp_path / "sub" / "out.json"}
    with pytest.raises(OutputError, match="nothing was changed"):
        strip(scan, progress=vanish, **outputs)
    assert names(tmp_path) == ["T1.nii.gz", "sub"]


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
    ("other", "outputs", "words"),
    [
        ("FLAIR.nii.gz", {"mask": "T1.nii.gz"}, "T1.nii.gz is also the input"),
        ("FLAIR.nii.gz", {"mask": "FLAIR.nii.gz"}, "FLAIR.nii.gz is also the input"),
        ("FLAIR.nii.gz", {"mask": "m.nii.gz"}, "m.nii.gz is also the mask output"),
        ("FLAIR.nii.gz", {"json": "f.json"}, "'json' is not written of other scans; name brain"),
        ("T2.nii.gz", {"mask": "t2.nii.gz"}, "T2.nii.gz does not exist"),
    ],
)
@pytest.mark.usefixtures("flair")
def test_what_cannot_be_written_of_another_scan_is_refused_before_the_run(
    tmp_path, scan, strip, other, outputs, words
):
    targets = {tmp_path / other: {name: tmp_path / file for name, file in outputs.items()}}
    with pytest.raises(SkullStripError, match=words):
        strip(scan, mask=tmp_path / "m.nii.gz", apply_to=targets, engine=NEVER)


def test_what_the_batch_reads_is_never_written_its_voxels_and_other_names_of_it_included(tmp_path):
    for name in ("a.nii", "b.hdr", "b.img"):
        (tmp_path / name).write_bytes(b"scan")
    os.link(tmp_path / "a.nii", tmp_path / "link.nii")
    inputs = Inputs([tmp_path / name for name in ("a.nii", "b.hdr", "gone.nii")])
    inputs.refuse([tmp_path / "a_brain_mask.nii"])
    for name in ("a.nii", "link.nii", "b.img", "gone.nii"):
        with pytest.raises(OutputError, match="would be replaced, which this batch reads"):
            inputs.refuse([tmp_path / name])
