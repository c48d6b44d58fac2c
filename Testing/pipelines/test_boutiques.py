"""The Boutiques descriptor before `bosh`, and run by it."""

import json
import sys
from pathlib import Path

import pytest

from skullstrip.cli.boutiques import descriptor
from Testing.image_files import save_head
from Testing.programs import LIBRARY

bosh = pytest.importorskip("boutiques.bosh").bosh


@pytest.fixture
def described(tmp_path):
    """The descriptor as a file."""
    path = tmp_path / "skullstrip.json"
    path.write_text(json.dumps(descriptor()))
    return str(path)


def test_bosh_finds_the_descriptor_valid(described):
    bosh(["validate", described])


def test_bosh_strips_a_scan_by_it(described, tmp_path, monkeypatch):
    scan = save_head(tmp_path / "T1.nii.gz", "LAS")
    command = tmp_path / "skullstrip"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m skullstrip.cli.main "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("PYTHONPATH", str(LIBRARY))
    monkeypatch.chdir(tmp_path)
    asked = {"scan": str(scan), "mask": "mask.nii.gz", "border": -1, "no_csf": True, "views": "1",
             "quiet": True}  # fmt: skip
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    done = bosh(["exec", "launch", described, str(tmp_path / "asked.json"), "-s"])
    assert done.exit_code == 0, done
    assert [Path(file.file_name).name for file in done.output_files] == ["mask.nii.gz"]
    assert (tmp_path / "mask.nii.gz").is_file()
