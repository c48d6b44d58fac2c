"""What the panel installs leaves Slicer's own packages alone, and runs beside them.

Real: Python, packages, pip's resolver, a strip of a made head by the network that ships. Stand-in:
an environment with the Python, NumPy and SciPy of a Slicer release instead of the release itself.
Needs Python 3.12 and a package index; skipped with the reason where either is missing.
"""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from Testing.image_files import save_head
from Testing.programs import run_program, run_python

RELEASES = {
    "Slicer 5.10": {"numpy": "2.0.2", "scipy": "1.13.1"},
    "Slicer 5.12": {"numpy": "2.4.6", "scipy": "1.17.1"},
}
INSTALL_OPTIONS = (
    *("--quiet", "--disable-pip-version-check", "--only-binary", ":all:"),
    "--no-compile",  # half of the time
)
OFFLINE = re.compile(r"(Could not find a version|connection|network|resolve|timed out)", re.I)
pytestmark = pytest.mark.slow


class Environment(NamedTuple):
    """A Slicer release's packages, and how to install into them and run them."""

    python: Path
    bundled: dict[str, str]

    def pip(self, *arguments):
        return run_python("-m", "pip", "--python", self.python, *arguments)

    def install(self, *arguments):
        """Wheels only, as Slicer's packaging does."""
        done = self.pip("install", *INSTALL_OPTIONS, *arguments)
        assert done.returncode == 0, done.stderr

    def versions(self):
        listed = json.loads(self.pip("list", "--format", "json").stdout)
        return {package["name"].lower(): package["version"] for package in listed}


def python_3_12():
    """Slicer's Python: the one on the path that answers, or pyenv's."""
    pyenv = Path.home() / ".pyenv" / "versions"
    for candidate in (shutil.which("python3.12"), *sorted(pyenv.glob("3.12*/bin/python"))):
        if candidate and runs_3_12(str(candidate)):
            return Path(candidate)
    pytest.skip("no Python 3.12 here, which is what Slicer 5.10 and 5.12 bundle")


def runs_3_12(python):
    program = "import sys; print(sys.version_info[:2] == (3, 12))"
    return run_program(python, "-c", program).stdout.strip() == "True"


@pytest.fixture(scope="module", params=list(RELEASES))
def slicer(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slicer")
    run_program(python_3_12(), "-m", "venv", "--without-pip", folder, check=True)
    bundled = RELEASES[request.param]
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    environment = Environment(programs / "python", bundled)
    pins = [f"{name}=={version}" for name, version in bundled.items()]
    done = environment.pip("install", *INSTALL_OPTIONS, *pins)
    if done.returncode != 0 and OFFLINE.search(done.stderr):
        pytest.skip(f"no package index here ({done.stderr.strip().splitlines()[-1][:120]})")
    assert done.returncode == 0, done.stderr
    yield environment
    shutil.rmtree(folder)  # hundreds of megabytes, which pytest would keep


def test_the_first_click_installs_beside_slicers_packages_and_strips(root, slicer, tmp_path):
    slicer.install("--requirement", str(root / "SkullStrip" / "Resources" / "requirements.txt"))
    assert unchanged(slicer)
    scan, mask = tmp_path / "head.nii.gz", tmp_path / "mask.nii.gz"
    save_head(scan, "PIR", (3.0, 3.0, 3.0))
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from skullstrip import strip_file; "
        "print(strip_file(sys.argv[2], mask=sys.argv[3]).volume_ml)"
    )
    command = (slicer.python, "-I", "-c", program, root / "SkullStrip", scan, mask)
    done = run_program(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 500 < float(done.stdout) < 2000
    assert mask.is_file()


def test_batch_installs_beside_slicers_packages(root, slicer):
    slicer.install(*extra(root, "batch"))
    assert unchanged(slicer)


def unchanged(slicer):
    """Whether the bundled packages are as they were and no package lacks another."""
    versions = slicer.versions()
    assert {name: versions[name] for name in slicer.bundled} == slicer.bundled
    consistent = slicer.pip("check")
    assert consistent.returncode == 0, consistent.stdout
    return True


def extra(root, name):
    """Requirements of an extra of the package."""
    pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(rf"^{name} = \[(.*?)\]", pyproject, re.MULTILINE | re.DOTALL)
    assert listed
    return re.findall(r'"([^"]+)"', listed[1])
