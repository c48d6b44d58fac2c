"""The Boutiques descriptor before `bosh`, and run by it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.boutiques import descriptor
from Testing.image_files import save

bosh = pytest.importorskip("boutiques.bosh").bosh
DESCRIPTOR = Path(__file__).parents[2] / "docs" / "skullstrip.boutiques.json"


def test_the_descriptor_is_that_of_the_command_as_it_is():
    assert json.loads(DESCRIPTOR.read_text(encoding="utf-8")) == descriptor(), (
        "python -m scripts.boutiques > docs/skullstrip.boutiques.json"
    )


def test_bosh_finds_the_descriptor_valid():
    bosh(["validate", str(DESCRIPTOR)])


def test_bosh_strips_a_scan_by_it(tmp_path, phantom, monkeypatch, library_path):
    head = phantom("LAS", (4.0, 4.0, 4.0))
    scan = save(tmp_path / "T1.nii.gz", head.array.astype(np.int16), head.affine)
    command = tmp_path / "skullstrip"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m skullstrip.cli.main "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("PYTHONPATH", library_path)
    monkeypatch.chdir(tmp_path)
    asked = {
        "scan": str(scan),
        "mask": "mask.nii.gz",
        "border": -1,
        "no_csf": True,
        "views": "1",
        "quiet": True,
    }
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    done = bosh(["exec", "launch", str(DESCRIPTOR), str(tmp_path / "asked.json"), "-s"])
    assert done.exit_code == 0, done
    assert [Path(file.file_name).name for file in done.output_files] == ["mask.nii.gz"]
    assert (tmp_path / "mask.nii.gz").is_file()
