"""What the panel installs leaves Slicer's own packages alone, and runs beside them.

Real: Python, packages, pip's resolver, a strip of a made head by the network that ships. Stand-in:
an environment with the Python, NumPy and SciPy of a Slicer release (installed by uv, which is
quicker) instead of the release itself.
Needs Python 3.12 and a package index; skipped with the reason where either is missing.
"""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from Testing.image_files import save_head
from Testing.programs import LIBRARY, ROOT, run_program, run_python

RELEASES = {
    "Slicer 5.10": {"numpy": "2.0.2", "scipy": "1.13.1"},
    "Slicer 5.12": {"numpy": "2.4.6", "scipy": "1.17.1"},
}
OFFLINE = re.compile(r"(connection|network|fetch|resolve|timed out)", re.I)
STRIP = (
    "import sys; sys.path.insert(0, sys.argv[1]); from skullstrip import strip_file; "
    "print(strip_file(sys.argv[2], mask=sys.argv[3]).volume_ml)"
)


@pytest.fixture
def python_3_12(tmp_path_factory):
    """An environment of Slicer's Python, of the one on the path that answers, or of pyenv's."""
    candidates = [shutil.which("python3.12"), *Path.home().glob(".pyenv/versions/3.12*/bin/python")]
    folder = tmp_path_factory.mktemp("slicer")
    for python in filter(None, candidates):
        if run_program(python, "-m", "venv", "--without-pip", folder).returncode == 0:
            yield folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
            shutil.rmtree(folder)  # hundreds of megabytes, which pytest would keep
            return
    pytest.skip("no Python 3.12 here, which is what Slicer 5.10 and 5.12 bundle")


@pytest.fixture
def pip(python_3_12):
    """Function that runs pip on that environment; what it did, as a process."""
    return lambda *words: run_python("-m", "pip", "--python", python_3_12, *words)


@pytest.mark.slow
@pytest.mark.parametrize("release", RELEASES)
def test_what_is_installed_leaves_slicers_packages_alone_and_strips_beside_them(
    release, python_3_12, pip, tmp_path
):
    def install(*what):  # wheels only, as Slicer's packaging does; compiling takes half of the time
        return pip("install", "--quiet", "--only-binary", ":all:", "--no-compile", *what)

    bundled = RELEASES[release]
    pins = [f"{name}=={version}" for name, version in bundled.items()]
    done = run_python("-m", "uv", "pip", "install", "--quiet", "--python", python_3_12, *pins)
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip(f"no package index here ({done.stderr.strip().splitlines()[-1][:120]})")
    assert done.returncode == 0, done.stderr
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (batch,) = re.findall(r"^batch = \[(.*?)\]", pyproject, re.MULTILINE | re.DOTALL)
    first_click = LIBRARY / "Resources" / "requirements.txt"
    for what in (["--requirement", first_click], re.findall(r'"([^"]+)"', batch)):
        done = install(*what)
        assert done.returncode == 0, done.stderr
    consistent = pip("check")
    assert consistent.returncode == 0, consistent.stdout
    packages = json.loads(pip("list", "--format", "json").stdout)
    versions = {package["name"].lower(): package["version"] for package in packages}
    assert bundled.items() <= versions.items()

    scan, mask = save_head(tmp_path / "T1.nii.gz", "PIR", (3.0, 3.0, 3.0)), tmp_path / "mask.nii.gz"
    done = run_program(python_3_12, "-I", "-c", STRIP, LIBRARY, scan, mask, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 500 < float(done.stdout) < 2000
    assert mask.is_file()
