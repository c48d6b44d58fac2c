"""`skullstrip batch` and `skullstrip-bids` with real workers and the real network."""

import csv
import hashlib
import json
import signal
import time

import nibabel
import numpy as np
import psutil
import pytest

from skullstrip.batch import run
from skullstrip.batch.run import BatchResult
from skullstrip.cli.batch import bids_main
from skullstrip.cli.main import main
from Testing.bids_data import make_bids
from Testing.image_files import assert_one_sentence, names, save_head, save_heads
from Testing.programs import start_python
from training.data.dataset import find_pairs

ORPHAN_SECONDS = 10


def start(*words, module="skullstrip.cli.main"):
    return start_python("-m", module, *words)


@pytest.fixture
def one_scan(tmp_path, monkeypatch):
    """The current folder, with a file in the folder `in`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.nii").write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("in", "required"),
        ("in out --jobs 0", "positive whole number"),
        ("in out --jobs 2 --scheduler tcp://x:1", "--scheduler"),
        ("in out --participant-label 01", "add --bids"),
        ("in out --redo all", "--redo"),
        ("in out --decisions decisions.csv", "add --redo rejected"),
        ("missing out", "'missing' does not exist"),
        ("--bids missing out", "BIDS"),
        ("in out --border nan", "border"),
        ("in out --weights missing", "manifest"),
        ("in out --redo rejected", "decisions"),
    ],
)
@pytest.mark.usefixtures("one_scan")
def test_a_bad_argument_is_refused_in_one_sentence(refused, words, message):
    assert message in refused("batch", *words.split())


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(one_scan, capsys):
    (one_scan / "scans.csv").write_text("path,apply_to\nin/a.nii,FLAIR.nii\n")
    for source, why in (("in", "(new)"), ("scans.csv", "(new; FLAIR.nii is not there)")):
        assert main(["batch", source, "out", "--dry-run"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].endswith(f"a_brain_mask.nii {why}")
        assert lines[1] == "1 of 1 scans would be stripped."
    assert names(one_scan) == ["in", "scans.csv"]


def test_a_reader_that_is_gone_is_one_sentence(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(2000):  # more lines than a pipe holds
        (tmp_path / "in" / f"{number}.nii").touch()
    process = start("batch", tmp_path / "in", tmp_path / "out", "--dry-run")
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    assert process.wait() == 1
    assert_one_sentence(error)
    assert "Output pipe closed." in error


def test_a_dry_run_of_bids_keeps_to_the_participants_and_there_is_no_group_yet(
    tmp_path, capsys, refused
):
    data_set, out = str(make_bids(tmp_path / "data")), str(tmp_path / "out")
    words = [data_set, out, "participant", "--participant_label", "sub-02", "--dry-run"]
    assert bids_main(words) == 0
    assert "2 of 2 scans" in capsys.readouterr().out
    refused(data_set, out, "group", command=bids_main)


@pytest.mark.parametrize(
    ("words", "failed", "status"), [([], 0, 0), (["--strict"], 0, 3), (["--strict"], 1, 1)]
)
def test_verdicts_are_told_at_the_end_and_strict_makes_a_fail_the_exit_status(
    tmp_path, monkeypatch, capsys, words, failed, status
):
    verdicts = {"pass": 2, "check": 1, "fail": 1, "corrected": 0}
    result = BatchResult(4, done=4 - failed, failed=failed, verdicts=verdicts)
    monkeypatch.setattr(run, "run_batch", lambda *_, **__: result)
    assert main(["batch", str(tmp_path), str(tmp_path / "out"), *words]) == status
    assert "pass 2, check 1, fail 1, corrected 0" in capsys.readouterr().out


@pytest.mark.slow
def test_a_killed_batch_loses_only_the_scans_in_flight(tmp_path):
    source, out = save_heads(tmp_path / "in", 6), tmp_path / "out"
    words = ["batch", source, out, "--progress", "json", "--jobs"]
    process = start(*words, 2)
    done = []
    for line in process.stdout:
        event = json.loads(line)
        if event.get("status") == "done":
            done.append(event["name"])
        if len(done) == 2:
            break
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=ORPHAN_SECONDS)
    assert workers
    assert alive == []

    process = start(*words, 5000)  # of which no more start than there are scans
    output, error = process.communicate()
    assert process.returncode == 0, error
    assert error == ""
    events = [json.loads(line) for line in output.splitlines()]
    skipped = {event["name"] for event in events if event.get("status") == "skipped"}
    again = {event["name"] for event in events if event.get("status") == "done"}
    assert skipped >= set(done)
    assert skipped | again == {f"head{number:02}" for number in range(6)}
    assert skipped & again == set()
    assert [event["jobs"] for event in events if event["event"] == "start"] == [len(again)]
    assert events[-1] == {
        "event": "end", "done": 6, "failed": 0, "skipped": len(skipped),
        "report": events[-1]["report"], "verdicts": events[-1]["verdicts"],
    }  # fmt: skip
    assert list(out.rglob(".skullstrip-*")) == []
    assert len(list(out.glob("*_brain_mask.nii.gz"))) == 6


@pytest.mark.slow
@pytest.mark.parametrize("to_group", [False, True])
def test_an_interrupted_batch_finishes_what_it_began(tmp_path, to_group):
    source, out = save_heads(tmp_path / "in", 6), tmp_path / "out"
    process = start("batch", source, out, "--jobs", "1", "--progress", "json")
    for line in process.stdout:
        if json.loads(line).get("status") == "done":
            break
    # Ctrl-C on a terminal reaches the workers too.
    targets = psutil.Process(process.pid).children(recursive=True) if to_group else []
    for target in [process, *targets]:
        target.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert_one_sentence(error)
    assert "start the same command again" in error
    rows = (out / "results.csv").read_text().splitlines()[1:]
    assert 1 <= len(rows) < 6
    assert len(list(out.glob("*_brain.nii.gz"))) == len(rows)
    assert list(out.rglob(".skullstrip-*")) == []
    assert '"status": "failed"' not in output


@pytest.mark.slow
def test_jobs_for_single_participants_work_side_by_side_and_group_gathers(tmp_path):
    data_set = make_bids(tmp_path / "data", spacing_mm=4.0)
    out = tmp_path / "out"
    words = (data_set, out, "participant", "--views", "1", "--jobs", "1")
    jobs = [
        start(*words, "--participant-label", label, module="skullstrip.cli.batch")
        for label in ("01", "02")
    ]
    for job in jobs:
        output, error = job.communicate()
        assert job.returncode == 0, error
        assert output.endswith("corrected 0\n")  # no table yet, so none is named
    assert not (out / "results.csv").exists()
    next(out.rglob("sub-01*_mask.nii.gz")).unlink()  # as when a job was killed
    assert bids_main([str(data_set), str(out), "group"]) == 0
    rows = list(csv.DictReader((out / "results.csv").read_text().splitlines()))
    assert [row["status"] for row in rows] == ["failed", "done", "done"]


@pytest.mark.slow
def test_a_batch_that_is_told_to_end_twice_ends_at_once(tmp_path):
    source = save_heads(tmp_path / "in", 3)
    process = start("batch", source, tmp_path / "out", "--jobs", "1", "--progress", "json")
    for line in process.stdout:
        if json.loads(line).get("status") == "running":
            break
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert_one_sentence(error)
    assert "under way are dropped" in error


@pytest.fixture
def scans(tmp_path):
    """A folder with a scan."""
    return save_head(tmp_path / "in" / "T1.nii.gz").parent


def batch(*words):
    return main(["batch", *map(str, words), "--jobs", "1"])


def table(out):
    with (out / "results.csv").open(newline="", encoding="utf-8") as stream:
        return {row["name"]: row for row in csv.DictReader(stream)}


@pytest.mark.slow
def test_a_mask_corrected_by_hand_survives_the_batch_until_overwrite(tmp_path, scans, capsys):
    out, mask = tmp_path / "out", tmp_path / "out" / "T1_brain_mask.nii.gz"
    assert batch(scans, out) == 0
    made = nibabel.load(mask)
    array = np.asarray(made.dataobj).copy()
    array[: array.shape[0] // 2] = 0
    nibabel.save(nibabel.Nifti1Image(array, made.affine), mask)
    by_hand, picture = mask.read_bytes(), (out / "qc" / "T1.png").read_bytes()
    capsys.readouterr()
    assert batch(scans, out, "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("(mask corrected by hand, kept)")
    assert lines[1] == "0 of 1 scans would be stripped."
    for words in ([], ["--border", "2"], ["--redo", "check"]):
        capsys.readouterr()
        assert batch(scans, out, *words) == 0
        assert mask.read_bytes() == by_hand
        row = table(out)["T1"]
        assert (row["status"], row["verdict"]) == ("corrected", "")
        assert row["mask_sha256"] == hashlib.sha256(by_hand).hexdigest()
        assert float(row["volume_ml"]) == pytest.approx(np.count_nonzero(array) * 0.064, abs=1e-3)
        assert "corrected 1" in capsys.readouterr().out
        assert '"corrected"' in (out / "report.html").read_text()
    assert [pair.mask for pair in find_pairs(out)] == [mask]  # what training takes
    brain = np.asarray(nibabel.load(out / "T1_brain.nii.gz").dataobj)
    assert not brain[: array.shape[0] // 2].any()
    assert (out / "qc" / "T1.png").read_bytes() != picture
    assert batch(scans, out, "--overwrite") == 0
    assert table(out)["T1"]["status"] == "done"
    assert mask.read_bytes() != by_hand


@pytest.mark.slow
def test_a_file_of_somebody_else_is_not_replaced(scans, capsys):
    theirs = scans / "T1_brain_mask.nii.gz"
    theirs.write_bytes(b"by FSL's bet")
    for _ in range(2):  # it is never taken for a correction of ours
        assert batch(scans, scans) == 1
        assert theirs.read_bytes() == b"by FSL's bet"
        assert "T1_brain.nii.gz" not in names(scans)
        message = table(scans)["T1"]["message"]
        assert "was there already or was changed since, and is kept" in message
    assert batch(scans, scans, "--overwrite") == 0
    assert nibabel.load(theirs).shape == nibabel.load(scans / "T1.nii.gz").shape


@pytest.mark.parametrize("name", ["results.csv", "report.html"])
def test_a_table_or_page_of_somebody_else_is_not_replaced(tmp_path, scans, refused, name):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("path\nT1.nii.gz\n")
    for _ in range(2):
        refused("batch", scans, out)
    assert names(out) == [name]


def test_the_table_of_the_scans_is_not_replaced_by_that_of_the_results(scans, refused):
    (scans / "results.csv").write_text("path\nT1.nii.gz\n")
    refused("batch", scans / "results.csv", scans, "--overwrite")
    assert (scans / "results.csv").read_text() == "path\nT1.nii.gz\n"
