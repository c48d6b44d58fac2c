"""The command as a process of its own; the slow tests run a real network in it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

import skullstrip
from skullstrip.network.manifest import default_manifest_path
from Testing.image_files import assert_one_sentence, names
from training.evaluation import metrics

LIBRARY = Path(skullstrip.__file__).resolve().parents[1]
HELP_SECONDS = 0.3
REAL_SCAN_DICE = 0.95
OPTIONS = (
    *("-i", "-o", "-m", "-b", "--border", "-p", "--qc", "--json", "--views", "--engine"),
    *("--device", "--threads", "--weights", "-q", "--version"),
)


def command(*arguments, **options):
    """Run the command in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(LIBRARY)}
    return subprocess.run(
        [sys.executable, "-m", "skullstrip.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        **options,
    )


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
    assert done.stdout == f"skullstrip {skullstrip.__version__}\n"


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
import keras
from skullstrip.network.manifest import MANIFEST_NAME, Architecture, Manifest
from skullstrip.network.unet import build_model
from training.publishing.onnx_graph import save_weights
folder = Path(sys.argv[1])
keras.utils.set_random_seed(0)  # some random networks find no brain at all, which is refused
save_weights(build_model(Architecture()), Architecture(), folder / "weights.onnx")
digest = hashlib.sha256((folder / "weights.onnx").read_bytes()).hexdigest()
manifest = Manifest(name="untrained", weights_file="weights.onnx", weights_sha256=digest)
(folder / MANIFEST_NAME).write_text(manifest.to_json())
"""
    search_path = os.pathsep.join([str(LIBRARY), str(LIBRARY.parent)])
    environment = os.environ | {"PYTHONPATH": search_path, "KERAS_BACKEND": "tensorflow"}
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
    # An untrained network finds no head that one would believe: warnings, and nothing else.
    said = done.stderr.splitlines()
    assert said
    assert all(word.startswith("skullstrip: warn: ") for word in said), said
    report = json.loads((tmp_path / "out.json").read_text())
    assert (report["engine"], report["device"]) == (engine, "cpu")
    source = nibabel.load(scan)
    for name in report["outputs"].values():
        if name.endswith(".nii.gz"):
            output = nibabel.load(tmp_path / name)
            assert output.shape == source.shape
            assert output.affine.tobytes() == source.affine.tobytes()
    probability = np.asarray(nibabel.load(tmp_path / "p.nii.gz").dataobj)
    assert probability.min() >= 0
    assert probability.max() <= 1
    assert probability.std() > 0


# Runs the command, says "!" when it reaches what is named, and stays there in one long call of C.
STOP_AT = """
import os, sys, time
event, what = sys.argv[1:3]
def watch(name, arguments):
    if name == event and str(arguments[0]).find(what) >= 0:
        os.write(1, b"!")
        time.sleep(600)
sys.addaudithook(watch)
from skullstrip.cli.main import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.parametrize(
    ("event", "what", "engine"),
    [
        ("import", "onnxruntime.capi", "onnxruntime"),
        ("import", "tensorflow.python", "tensorflow"),
        ("open", "T1_brain.nii.gz", "onnxruntime"),
    ],
)
def test_a_real_process_is_terminated_wherever_it_is(scan, event, what, engine):
    process = subprocess.Popen(
        [sys.executable, "-c", STOP_AT, event, what, scan, "--engine", engine],
        env=os.environ | {"PYTHONPATH": str(LIBRARY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.read(1) == "!"
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
