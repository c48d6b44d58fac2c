"""Every row of docs/robustness.md, through the command; the network is `ThresholdEngine`."""

import os
import re
import resource
import shutil
import signal

import nibabel
import numpy as np
import pytest

from skullstrip import pipeline
from skullstrip.cli import bids
from skullstrip.cli.main import main
from skullstrip.network.manifest import default_manifest_path
from Testing import hostile, hostile_files
from Testing.image_files import assert_one_sentence, names
from Testing.stand_ins import ThresholdEngine

MEMORY_KB = 120 * 1024  # a bomb of 128 MB would take more


def contents(folder):
    """What lies in a folder, and what it holds."""
    return {
        path.name: path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.iterdir()
    }


@pytest.fixture
def strip(monkeypatch, tmp_path, stand_in_weights, capsys):
    """Run the command; outputs go to a folder of their own."""
    monkeypatch.setattr(pipeline, "create_engine", lambda *_: ThresholdEngine())
    (tmp_path / "out").mkdir()
    outputs = {"-o": "brain.nii.gz", "-m": "mask.nii.gz", "--json": "report.json"}
    options = [word for flag, name in outputs.items() for word in (flag, tmp_path / "out" / name)]

    def call(path):
        status = main([str(w) for w in ("-i", path, "--weights", stand_in_weights, *options)])
        return status, capsys.readouterr().err, names(tmp_path / "out")

    return call


@pytest.mark.parametrize("row", hostile.ROWS, ids=lambda row: row.what)
def test_an_odd_input_is_stripped_or_refused_in_one_sentence(tmp_path, strip, row):
    folder = tmp_path / "in"
    folder.mkdir()
    path = row.make(folder)
    before = contents(folder)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, said, written = strip(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MEMORY_KB
    assert contents(folder) == before
    if row.outcome == hostile.STRIPPED:
        assert status == 0, said
        assert written == ["brain.nii.gz", "mask.nii.gz", "report.json"]
        assert np.asarray(nibabel.load(tmp_path / "out" / "mask.nii.gz").dataobj).max() == 1
    else:
        assert (status, written) == (2, [])
        assert_one_sentence(said)
        assert row.outcome in said


@pytest.fixture
def no_hang():
    """Whoever waits for a pipe is woken by an error."""

    def wake(*_):
        raise AssertionError("waits for a pipe that nobody writes to")

    signal.signal(signal.SIGALRM, wake)
    signal.alarm(120)
    yield
    signal.alarm(0)


PIPES = {
    "a table": ("batch scans.csv out", "scans.csv", None),
    "a scan of a table": ("batch scans.csv out", "T1.nii.gz", "Done 0, failed 1"),
    "a pair's voxels in a table": ("batch pairs.csv out", "a.img", "Done 0, failed 1"),
    "a BIDS scan": ("bids bids out participant", "bids/sub-1/anat/sub-1_T1w.nii.gz", "failed"),
    "derivatives' description": ("bids bids out participant", "out/dataset_description.json", None),
    "a manifest": ("-i T1.nii.gz", "weights/manifest.json", "manifest"),
    "the verdict's calibration": ("-i T1.nii.gz", "weights/quality.json", "calibration"),
    "a probability": ("--from-probability p.nii.gz -i T1.nii.gz", "p.nii.gz", "not a file"),
}


@pytest.mark.usefixtures("no_hang")
@pytest.mark.parametrize("what", PIPES)
def test_a_named_pipe_is_never_waited_for(tmp_path, monkeypatch, capsys, what):
    monkeypatch.chdir(tmp_path)
    words, pipe, said = PIPES[what]
    shutil.copytree(default_manifest_path().parent, "weights")
    hostile_files.image("T1.nii.gz")(tmp_path)
    hostile_files.image("a.img", kind=nibabel.Nifti1Pair)(tmp_path)
    anat = tmp_path / "bids" / "sub-1" / "anat"
    anat.mkdir(parents=True)
    (tmp_path / "out").mkdir()
    hostile_files.image("sub-1_T1w.nii.gz")(anat)
    (tmp_path / "scans.csv").write_text("path\nT1.nii.gz\n")
    (tmp_path / "pairs.csv").write_text("path\na.hdr\n")
    (tmp_path / pipe).unlink(missing_ok=True)
    os.mkfifo(tmp_path / pipe)
    command, *rest = words.split()
    extra = ["--weights", "weights"]
    if command == "bids":
        status = bids.main([*rest, *extra])
    else:
        status = main([command, *rest, *extra, *(["--jobs", "1"] if command == "batch" else [])])
    assert status
    assert (said or pipe) in "".join(capsys.readouterr())


def test_the_document_shows_the_rows_that_are_tested():
    text = hostile.DOCUMENT.read_text(encoding="utf-8")
    assert hostile.BEGIN + hostile.table() + hostile.END in text, "run python -m Testing.hostile"


def test_a_limit_that_is_too_low_can_be_raised(tmp_path, strip, monkeypatch):
    path = hostile_files.image()(tmp_path)
    monkeypatch.setenv("SKULLSTRIP_MAX_VOXELS", "1000")
    status, said, _ = strip(path)
    assert status == 2
    assert "set SKULLSTRIP_MAX_VOXELS to a larger number" in said
    monkeypatch.setenv("SKULLSTRIP_MAX_VOXELS", "many")
    assert strip(path)[0] == 2
    monkeypatch.setenv("SKULLSTRIP_MAX_VOXELS", "1000000")
    assert strip(path)[0] == 0


def test_every_test_that_the_document_names_is_there():
    named = set(re.findall(r"`(test_\w+)`", hostile.DOCUMENT.read_text(encoding="utf-8")))
    folder = hostile.DOCUMENT.parents[1] / "Testing"
    written = {
        name
        for path in folder.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(named) > 10
    assert named <= written
