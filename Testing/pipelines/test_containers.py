"""The container files: what hadolint says, and that both take the same sources."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.programs import ROOT


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
