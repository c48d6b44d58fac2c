"""What hadolint and `bosh` say of container files and the Boutiques descriptor, which is run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from skullstrip.cli.boutiques import descriptor
from Testing.image_files import save_head
from Testing.programs import LIBRARY, ROOT


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    subprocess.run([hadolint, str(ROOT / "Dockerfile")], check=True)


def test_docker_and_apptainer_take_the_same_sources():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    taken = [line[1:] for line in ignored if line.startswith("!")]
    section = (ROOT / "apptainer.def").read_text().split("%files\n")[1].split("\n\n")[0]
    assert [line.split() for line in section.splitlines()] == [
        [name, f"/src/{name}"] for name in taken
    ]
    assert all((ROOT / name).exists() for name in taken)


@pytest.fixture
def bosh():
    return pytest.importorskip("boutiques.bosh").bosh


@pytest.fixture
def described(tmp_path):
    """The descriptor as a file."""
    path = tmp_path / "skullstrip.json"
    path.write_text(json.dumps(descriptor()))
    return str(path)


def test_bosh_finds_the_descriptor_valid(bosh, described):
    bosh(["validate", described])


def test_bosh_strips_a_scan_by_it(bosh, described, tmp_path, monkeypatch):
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
