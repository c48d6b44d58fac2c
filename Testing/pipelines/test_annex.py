"""Scans whose content git-annex keeps elsewhere, with the real git-annex."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from skullstrip.batch import job as work
from skullstrip.batch.options import BatchOptions
from skullstrip.batch.scans import find_scans
from skullstrip.options import Options
from Testing.image_files import save_head
from Testing.stand_ins import ThresholdEngine

BIN = str(Path(sys.executable).parent)
IDENTITY = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a"}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A clone, as DataLad makes one, that has a scan's name and not its content."""
    if shutil.which("git-annex", path=BIN) is None or shutil.which("git") is None:
        pytest.skip("git-annex is not installed")
    path = os.pathsep.join([BIN, os.environ["PATH"]])
    home = {"HOME": str(tmp_path), "PATH": path, "GIT_COMMITTER_EMAIL": "a@b"}
    for name, value in (IDENTITY | home).items():
        monkeypatch.setenv(name, value)

    def git(folder, *words):
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)

    origin, clone = tmp_path / "origin", tmp_path / "clone"
    save_head(origin / "T1.nii.gz", "LAS")
    save_head(origin / "FLAIR.nii.gz", "RAS")
    git(origin, "init")
    git(origin, "annex", "init")
    git(origin, "annex", "add", ".")
    git(origin, "commit", "-m", "scan")
    git(tmp_path, "clone", "origin", "clone")
    git(clone, "annex", "init")
    assert not (clone / "T1.nii.gz").exists()
    yield clone
    subprocess.run(["chmod", "-R", "u+w", str(tmp_path)], check=True)  # annexed files are locked


@pytest.fixture
def strip(data, tmp_path, stand_in_weights):
    """Function that strips the clone's scan with the stand-in network; gives its row."""
    method = Options(engine=ThresholdEngine(), weights=stand_in_weights)
    job = work.Job(tmp_path / "out", BatchOptions(method), "digest")
    flair, scan = find_scans(str(data), job.out)
    scan = replace(scan, apply_to=(flair,))

    def stripped(get):
        return work.process_scan((scan, "new"), replace(job, options=replace(job.options, get=get)))

    return stripped


def test_absent_content_is_named_as_that_and_left_where_it_is(strip, data):
    row = strip(get=False)
    assert row["status"] == "failed"
    assert "a link to a file that is not there; run 'git annex get'" in row["message"]
    assert not (data / "T1.nii.gz").exists()


def test_absent_content_is_fetched_where_that_is_asked_for(strip, data):
    row = strip(get=True)
    assert row["status"] == "done", row
    assert row["input_sha256"]
    assert (data / "T1.nii.gz").is_symlink()


def test_content_that_does_not_come_is_one_sentence(strip, data, tmp_path):
    (tmp_path / "origin").rename(tmp_path / "elsewhere")
    row = strip(get=True)
    assert row["status"] == "failed"
    assert "T1.nii.gz could not be fetched by git-annex: " in row["message"]
