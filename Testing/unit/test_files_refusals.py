"""`strip_file` when something is wrong: a sentence, and nothing written.

`ThresholdEngine` and `FailingEngine` are stand-ins; everything else is the real thing.
"""

import os

import nibabel
import nrrd
import pytest

from skullstrip.errors import OutputError
from Testing.image_files import names
from Testing.stand_ins import FailingEngine

NEVER = FailingEngine(AssertionError("the network ran"))


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


def test_the_kept_probability_is_not_overwritten(tmp_path, scan, strip):
    kept = tmp_path / "p.nii.gz"
    strip(scan, probability=kept)
    with pytest.raises(OutputError, match="is also the input"):
        strip(scan, from_probability=kept, mask=kept)


def test_the_other_half_of_a_pair_is_the_input_too(tmp_path, head, strip):
    nibabel.save(nibabel.Nifti1Pair(head.array, head.affine), tmp_path / "T1.img")
    with pytest.raises(OutputError, match="is also the input"):
        strip(tmp_path / "T1.img", mask=tmp_path / "T1.hdr")


@pytest.mark.parametrize(
    "field",
    ["data file: ", "data file:=", ":x\ndata file: ", "data file:" + " " * 70_000, "DATA FILE: "],
)
def test_the_data_file_that_a_nrrd_header_names_is_never_overwritten(tmp_path, head, strip, field):
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


def test_two_outputs_of_one_name_are_refused(tmp_path, scan, strip):
    with pytest.raises(OutputError, match="is also the brain output; name another mask"):
        strip(scan, brain=tmp_path / "x.nii", mask=tmp_path / "x.nii")


@pytest.mark.parametrize(
    ("name", "file"), [("mask", "mask.txt"), ("qc", "qc.jpg"), ("surface", "brain.obj")]
)
def test_an_ending_that_cannot_be_written_is_refused_before_the_run(
    tmp_path, scan, strip, name, file
):
    with pytest.raises(OutputError, match=file):
        strip(scan, engine=NEVER, **{name: tmp_path / file})


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


def test_older_outputs_survive_a_run_that_fails_and_not_one_that_succeeds(tmp_path, scan, strip):
    (tmp_path / "mask.nii.gz").write_bytes(b"old")
    with pytest.raises(RuntimeError):
        strip(scan, mask=tmp_path / "mask.nii.gz", engine=FailingEngine(RuntimeError()))
    assert (tmp_path / "mask.nii.gz").read_bytes() == b"old"
    strip(scan, mask=tmp_path / "mask.nii.gz")
    assert nibabel.load(tmp_path / "mask.nii.gz").shape == nibabel.load(scan).shape
