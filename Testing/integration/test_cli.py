"""The command, as a user meets it: exit status, one sentence on stderr, nothing left behind.

Fast tests call `main` in this process, with `ThresholdEngine`, a stand-in for the network, where a
run must succeed. Slow ones start the real command with a real network.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

import SkullStripLib
from SkullStripLib import extract, metrics
from SkullStripLib.cli import main
from SkullStripLib.manifest import MANIFEST_NAME, default_manifest_path
from Testing.stand_ins import FailingEngine, ThresholdEngine

LIBRARY = Path(SkullStripLib.__file__).resolve().parents[1]
HELP_SECONDS = 0.3
REAL_SCAN_DICE = 0.95
OPTIONS = (
    *("-i", "-o", "-m", "-b", "--border", "-p", "--qc", "--json", "--views", "--engine"),
    *("--device", "--threads", "--weights", "-q", "--version"),
)


@pytest.fixture
def scan(tmp_path, phantom):
    head = phantom("PIR", (3.0, 3.0, 3.0))
    return save(tmp_path / "T1.nii.gz", head.array.astype(np.int16), head.affine)


@pytest.fixture
def stand_in(monkeypatch, stand_in_weights):
    """Let the command run the stand-in network; returns the arguments that choose its weights."""
    monkeypatch.setattr(extract, "create_engine", lambda *_: ThresholdEngine())
    return ["--weights", str(stand_in_weights)]


def save(path, array, affine=None):
    affine = np.diag([3.0, 3.0, 3.0, 1.0]) if affine is None else affine
    image = nibabel.Nifti1Image(array, None, dtype=array.dtype)
    image.header.set_sform(affine, 1)
    nibabel.save(image, path)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def noise(shape=(40, 40, 40)):
    return (100 * np.random.default_rng(0).random(shape)).astype(np.float32)


def command(*arguments, **options):
    """Run the command in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(LIBRARY)}
    return subprocess.run(
        [sys.executable, "-m", "SkullStripLib.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        **options,
    )


def assert_one_sentence(error):
    assert error.startswith("skullstrip: ")
    assert error.count("\n") == 1
    assert error.endswith((".\n", "'.\n"))
    assert "Traceback" not in error


# ---- success -------------------------------------------------------------------------------------


def test_without_options_brain_and_mask_stand_beside_the_scan(tmp_path, scan, stand_in, capsys):
    assert main([str(scan), *stand_in]) == 0
    assert names(tmp_path) == ["T1.nii.gz", "T1_brain.nii.gz", "T1_brain_mask.nii.gz"]
    output, error = capsys.readouterr()
    assert error == ""
    assert "mL" in output
    assert " s (stand-in, cpu)" in output
    assert str(tmp_path / "T1_brain_mask.nii.gz") in output


@pytest.mark.parametrize(
    ("options", "written"),
    [
        (["-m", "m.nii"], ["m.nii"]),
        (["-o", "b.mgz"], ["b.mgz"]),
        (["-m", "m.nii", "-o", "b.nii.gz", "-p", "p.nrrd"], ["b.nii.gz", "m.nii", "p.nrrd"]),
        (["--qc", "q.png"], ["T1_brain.nii.gz", "T1_brain_mask.nii.gz", "q.png"]),
        (["--json", "j", "-m", "m.nii"], ["j", "m.nii"]),
    ],
)
def test_only_the_images_that_are_named_are_written(
    tmp_path, scan, stand_in, monkeypatch, options, written
):
    monkeypatch.chdir(tmp_path)
    assert main(["-i", "T1.nii.gz", *options, *stand_in]) == 0
    assert names(tmp_path) == sorted(["T1.nii.gz", *written])


def test_a_quiet_run_says_nothing(tmp_path, scan, stand_in, capsys):
    save(scan, np.where(noise() > 1, noise(), np.nan))  # would be a warning
    assert main([str(scan), "-q", *stand_in]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_warning_about_the_input_goes_to_stderr(scan, stand_in, capsys, phantom):
    head = phantom(spacing_mm=(3.0, 3.0, 3.0))
    array = head.array.copy()
    array[0, 0, 0] = np.nan
    save(scan, array, head.affine)
    assert main([str(scan), *stand_in]) == 0
    assert capsys.readouterr().err.startswith("skullstrip: warn: 1 voxels are NaN or infinite")


def test_a_border_may_be_negative(tmp_path, scan, stand_in, capsys):
    volumes = []
    for border in ("-3", "0", "3.5"):
        report = tmp_path / "out.json"
        assert main([str(scan), "-b", border, "--json", str(report), *stand_in]) == 0
        volumes.append(json.loads(report.read_text())["volume_ml"])
    assert volumes[0] < volumes[1] < volumes[2]


# ---- bad input: status 2, one sentence, nothing left ---------------------------------------------


def write_truncated(path):
    save(path, noise())
    path.write_bytes(path.read_bytes()[:5000])


BAD_INPUTS = {
    "2-D": (lambda path: save(path, noise((40, 40))), "2 dimensions"),
    "several frames": (lambda path: save(path, noise((40, 40, 40, 3))), "4 dimensions"),
    "empty file": (lambda path: path.write_bytes(b""), "is empty"),
    "truncated gzip": (write_truncated, "cannot be read"),
    "gzip of text": (lambda path: path.write_bytes(gzip.compress(b"text")), "cannot be read"),
    "not an image": (lambda path: path.write_text("no image"), "cannot be read"),
    "all zeros": (lambda path: save(path, np.zeros((40, 40, 40), np.uint8)), "only zeros"),
    "constant": (lambda path: save(path, np.full((40, 40, 40), 7.0)), "same value"),
    "all NaN": (lambda path: save(path, np.full((40, 40, 40), np.nan)), "no finite value"),
    "singular": (lambda path: save(path, noise(), np.diag([3.0, 3.0, 0, 1])), "singular"),
    "five voxels thin": (lambda path: save(path, noise((40, 40, 5))), "no head"),
    "complex": (lambda path: save(path, noise().astype(np.complex64)), "complex"),
    "missing": (lambda _: None, "does not exist"),
    "a folder": (lambda path: path.mkdir(), "not a file"),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_a_bad_input_is_refused_in_one_sentence(tmp_path, case, capsys):
    make, message = BAD_INPUTS[case]
    make(tmp_path / "T1.nii.gz")
    before = names(tmp_path)
    assert main([str(tmp_path / "T1.nii.gz"), "--qc", str(tmp_path / "qc.png")]) == 2
    output, error = capsys.readouterr()
    assert output == ""
    assert_one_sentence(error)
    assert message in error
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    "options",
    [
        ["-m", "T1.nii.gz"],
        ["-o", "missing/brain.nii.gz"],
        ["-o", "T1.nii.gz/brain.nii.gz"],
        ["-p", "p.png"],
        ["--qc", "."],
        ["-b", "nan"],
        ["-b", "wide"],
        ["--views", "2"],
        ["--threads", "0"],
        ["--engine", "steam"],
        ["--device", "abacus"],
        ["--weights", "missing"],
        ["--unknown"],
        ["-i", "T1.nii.gz"],
        ["second.nii.gz"],
    ],
)
def test_a_bad_argument_is_refused_in_one_sentence(tmp_path, scan, monkeypatch, capsys, options):
    monkeypatch.chdir(tmp_path)
    assert main(["T1.nii.gz", *options]) == 2
    output, error = capsys.readouterr()
    assert output == ""
    assert_one_sentence(error)
    assert names(tmp_path) == ["T1.nii.gz"]


def test_no_input_at_all_is_told_what_to_type(capsys):
    assert main([]) == 2
    assert "skullstrip T1.nii.gz" in capsys.readouterr().err


def test_tampered_weights_are_refused(tmp_path, scan, stand_in_weights, capsys):
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / MANIFEST_NAME).write_bytes((stand_in_weights / MANIFEST_NAME).read_bytes())
    (folder / "weights.npz").write_bytes(b"tampered")
    assert main([str(scan), "--weights", str(folder)]) == 2
    assert_one_sentence(capsys.readouterr().err)
    assert names(tmp_path) == ["T1.nii.gz", "weights"]


# ---- other ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ending",
    [
        (KeyboardInterrupt(), 130, "Interrupted"),
        (MemoryError(), 1, "not enough memory"),
        (RuntimeError("odd\nthing"), 1, "RuntimeError: odd thing"),
    ],
)
def test_a_run_that_ends_early_says_so_and_leaves_nothing(
    scan, stand_in, monkeypatch, capsys, ending
):
    error, status, message = ending
    monkeypatch.setattr(extract, "create_engine", lambda *_: FailingEngine(error))
    assert main([str(scan), *stand_in]) == status
    output, text = capsys.readouterr()
    assert output == ""
    assert_one_sentence(text)
    assert message in text
    assert names(scan.parent) == ["T1.nii.gz"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("stage", ["predict", "write", "twice"])
def test_a_signal_ends_the_run_and_cleans_up(scan, stand_in, monkeypatch, capsys, stage, number):
    def predict(_, batch):
        os.kill(os.getpid(), number)
        if stage == "twice":  # the first waits for a safe point, the second does not
            os.kill(os.getpid(), number)
            pytest.fail("the second signal was not heeded")
        return batch[..., :1]

    def write(*_):
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    if stage == "write":
        monkeypatch.setattr(SkullStripLib.io, "write_mask", write)
    else:
        monkeypatch.setattr(ThresholdEngine, "predict", predict)
    assert main([str(scan), *stand_in]) == 130
    assert_one_sentence(capsys.readouterr().err)
    assert names(scan.parent) == ["T1.nii.gz"]
    assert signal.getsignal(number) is before


def test_what_native_libraries_print_stays_off_stderr(scan, stand_in, monkeypatch, capfd):
    def chatter(_, batch):
        os.write(2, b"I0000 oneDNN custom operations are on")
        return batch[..., :1]

    monkeypatch.setattr(ThresholdEngine, "predict", chatter)
    assert main([str(scan), *stand_in]) == 0
    assert capfd.readouterr().err == ""


def test_help_names_every_option_and_answers_at_once():
    seconds = []
    for _ in range(3):
        start = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = command("--help")
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(end.ru_utime - start.ru_utime + end.ru_stime - start.ru_stime)
    assert done.returncode == 0
    for option in OPTIONS:
        assert option in done.stdout
    assert min(seconds) < HELP_SECONDS


def test_the_version_is_the_packages():
    done = command("--version")
    assert done.stdout == f"skullstrip {SkullStripLib.__version__}\n"


def test_the_command_in_its_own_process_refuses_in_one_sentence(tmp_path):
    done = command(tmp_path / "missing.nii.gz")
    assert (done.returncode, done.stdout) == (2, "")
    assert_one_sentence(done.stderr)


# ---- with a real network -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def untrained_weights(tmp_path_factory):
    """A real network with random weights, written as training writes them."""
    folder = tmp_path_factory.mktemp("untrained")
    script = """
import hashlib, sys
from pathlib import Path
from SkullStripLib.manifest import Manifest, MANIFEST_NAME
from SkullStripLib.model import build_model
from SkullStripLib.weights import save_weights
folder = Path(sys.argv[1])
manifest = Manifest(name="untrained", weights_file="weights.npz", weights_sha256="")
save_weights(build_model(manifest.architecture), folder / "weights.npz")
digest = hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest()
manifest = Manifest(name="untrained", weights_file="weights.npz", weights_sha256=digest)
(folder / MANIFEST_NAME).write_text(manifest.to_json())
"""
    environment = os.environ | {"PYTHONPATH": str(LIBRARY), "KERAS_BACKEND": "tensorflow"}
    subprocess.run([sys.executable, "-c", script, folder], check=True, env=environment)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["tensorflow", "onnxruntime"])
def test_an_untrained_network_runs_from_end_to_end(tmp_path, scan, untrained_weights, engine):
    done = command(
        scan, "-p", tmp_path / "p.nii.gz", "--qc", tmp_path / "qc.png", "--json",
        tmp_path / "out.json", "--engine", engine, "--weights", untrained_weights,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    report = json.loads((tmp_path / "out.json").read_text())
    assert (report["engine"], report["device"]) == (engine, "cpu")
    source = nibabel.load(scan)
    for path in report["outputs"].values():
        if path.endswith(".nii.gz"):
            output = nibabel.load(path)
            assert output.shape == source.shape
            assert output.affine.tobytes() == source.affine.tobytes()
    probability = np.asarray(nibabel.load(tmp_path / "p.nii.gz").dataobj)
    assert probability.min() >= 0
    assert probability.max() <= 1
    assert probability.std() > 0


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1.0, 2.0, 3.0, 4.5, 6.0])
def test_a_real_process_that_is_terminated_leaves_nothing(scan, untrained_weights, seconds):
    process = subprocess.Popen(
        [sys.executable, "-m", "SkullStripLib.cli", scan, "--weights", untrained_weights,
         "--engine", "tensorflow", "--views", "3"],
        env=os.environ | {"PYTHONPATH": str(LIBRARY)},
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    time.sleep(seconds)
    process.terminate()
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert_one_sentence(error)
    assert names(scan.parent) == ["T1.nii.gz"]


@pytest.mark.slow
@pytest.mark.skipif(not default_manifest_path().is_file(), reason="no weights are bundled yet")
def test_the_bundled_weights_find_the_brain_of_a_real_scan(tmp_path, shared_data):
    reference = nibabel.load(shared_data / "t1" / "MRHead_mask.nii.gz")
    mask_path = tmp_path / "mask.nii.gz"
    done = command(shared_data / "t1" / "MRHead_T1w.nii.gz", "-m", mask_path)
    assert done.returncode == 0, done.stderr
    found = np.asarray(nibabel.load(mask_path).dataobj) > 0
    assert metrics.dice(found, np.asarray(reference.dataobj) > 0) > REAL_SCAN_DICE
