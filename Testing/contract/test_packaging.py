"""What `pip install` gives: the library, its weights and the command, of one version."""

import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from Testing.image_files import names, save_head
from Testing.programs import run_program, run_python

QUIETLY = ("--quiet", "--no-deps", "--no-index")
PACKAGED = ("pyproject.toml", "README.md", "LICENSE.txt", "SkullStrip")


def version_of(root):
    text = (root / "SkullStrip/skullstrip/_version.py").read_text(encoding="utf-8")
    match = re.search(r'__version__ = "([^"]+)"', text)
    assert match
    return match[1]


@pytest.fixture(scope="module")
def source(root, tmp_path_factory):
    """A copy of what is packaged, so that the checkout stays clean and no old build leaks in."""
    source = tmp_path_factory.mktemp("source")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in PACKAGED:
        if (root / name).is_dir():
            shutil.copytree(root / name, source / name, ignore=ignored)
        else:
            shutil.copy2(root / name, source / name)
    return source


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return build_wheel(source, tmp_path_factory.mktemp("wheel"))


def build_wheel(source, folder):
    """Build a wheel from a folder or an sdist with the build tools of this environment."""
    options = ("--no-build-isolation", "--wheel-dir", folder)
    built = run_python("-m", "pip", "wheel", *QUIETLY, *options, source, env=os.environ)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel in a folder of its own; its dependencies are those of this environment."""
    target = tmp_path_factory.mktemp("installed")
    run_python("-m", "pip", "install", *QUIETLY, "--target", target, wheel, check=True)
    return target


def run_installed(installed, *command):
    """Run a command that sees the installed wheel and not the checkout."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = run_program(*command, cwd=installed, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_carries_every_library_file_and_every_model_file(root, wheel):
    library = root / "SkullStrip" / "skullstrip"
    models = root / "SkullStrip" / "Resources" / "Models"
    files = (path for path in library.rglob("*.*") if path.suffix != ".pyc")
    expected = {f"skullstrip/{path.relative_to(library).as_posix()}" for path in files}
    expected |= {f"skullstrip/Models/{p.name}" for p in models.iterdir() if p.name[0] != "."}
    assert set(packed_code(wheel)) == expected


def test_the_source_distribution_builds_the_same_wheel(source, wheel, tmp_path):
    program = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    run_python("-c", program, tmp_path, cwd=source, env=os.environ, check=True)
    rebuilt = build_wheel(next(tmp_path.glob("*.tar.gz")), tmp_path)
    assert packed_code(rebuilt) == packed_code(wheel)


def packed_code(wheel):
    """Names and checksums of what a wheel installs, its own metadata aside."""
    members = zipfile.ZipFile(wheel).infolist()
    return {m.filename: m.CRC for m in members if ".dist-info/" not in m.filename}


def test_the_installed_wheel_finds_its_weights_and_accepts_their_hash(installed):
    program = "from skullstrip.network.manifest import load_manifest; print(load_manifest()[1])"
    weights = Path(run_installed(installed, sys.executable, "-c", program))
    assert weights.is_relative_to(installed / "skullstrip" / "Models")
    assert weights.is_file()


@pytest.mark.slow
def test_the_installed_command_knows_its_version_and_strips_a_head(root, installed, tmp_path):
    scan = save_head(tmp_path / "head.nii.gz", "PIR", (3.0, 3.0, 3.0))
    folder = installed / ("Scripts" if os.name == "nt" else "bin")
    program = shutil.which("skullstrip", path=folder)
    assert program
    assert version_of(root) in run_installed(installed, program, "--version")
    run_installed(installed, program, str(scan), "--engine", "onnxruntime")
    assert names(tmp_path) == ["head.nii.gz", "head_brain.nii.gz", "head_brain_mask.nii.gz"]


def test_the_wheel_has_the_version_and_the_licence(root, wheel):
    version = version_of(root)
    assert wheel.name == f"skullstrip-{version}-py3-none-any.whl"
    licence = f"skullstrip-{version}.dist-info/licenses/LICENSE.txt"
    assert licence in zipfile.ZipFile(wheel).namelist()


def test_users_get_lower_bounds_and_developers_a_pin_for_each(root):
    pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
    dependencies = re.search(r"^dependencies = \[(.*?)^\]", pyproject, re.MULTILINE | re.DOTALL)
    assert dependencies
    requirements = re.findall(r'"([^"]+)"', dependencies[1])
    assert requirements
    assert [r for r in requirements if not re.fullmatch(r"[a-z]+>=[\d.]+( ; .+)?", r)] == []
    lock = (root / "requirements" / "dev.lock").read_text(encoding="utf-8")
    unpinned = [r for r in requirements if f"\n{r.split('>=', 1)[0]}==" not in lock]
    assert unpinned == []
