"""What `pip install` gives: the library, its weights and the command, of one version."""

import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

import skullstrip
from Testing.image_files import names, save_head
from Testing.programs import LIBRARY, ROOT, run_program, run_python

QUIETLY = ("--quiet", "--no-deps", "--no-index")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what is packaged, so that the checkout stays clean and no old build leaks in."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE.txt"):
        shutil.copy2(ROOT / name, source / name)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(LIBRARY, source / LIBRARY.name, ignore=ignored)
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
def run_installed(wheel, tmp_path_factory):
    """Function that runs a command which sees the installed wheel and not the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    run_python("-m", "pip", "install", *QUIETLY, "--target", folder, wheel, check=True)

    def run(program, *words):
        found = shutil.which(program, path=folder / ("Scripts" if os.name == "nt" else "bin"))
        environment = os.environ | {"PYTHONPATH": str(folder)}
        done = run_program(found or program, *words, cwd=folder, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), folder

    return run


def packed_code(wheel):
    """Names and checksums of what a wheel installs, its own metadata aside."""
    members = zipfile.ZipFile(wheel).infolist()
    return {m.filename: m.CRC for m in members if ".dist-info/" not in m.filename}


def test_the_wheel_carries_the_licence_every_library_file_and_every_model_file(wheel):
    library, models = LIBRARY / "skullstrip", LIBRARY / "Resources" / "Models"
    files = (path for path in library.rglob("*.*") if path.suffix != ".pyc")
    expected = {f"skullstrip/{path.relative_to(library).as_posix()}" for path in files}
    expected |= {f"skullstrip/Models/{p.name}" for p in models.iterdir() if p.name[0] != "."}
    assert set(packed_code(wheel)) == expected
    version = skullstrip.__version__
    assert wheel.name == f"skullstrip-{version}-py3-none-any.whl"
    licence = f"skullstrip-{version}.dist-info/licenses/LICENSE.txt"
    assert licence in zipfile.ZipFile(wheel).namelist()


def test_the_source_distribution_builds_the_same_wheel(source, wheel, tmp_path):
    program = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    run_python("-c", program, tmp_path, cwd=source, env=os.environ, check=True)
    rebuilt = build_wheel(next(tmp_path.glob("*.tar.gz")), tmp_path)
    assert packed_code(rebuilt) == packed_code(wheel)


@pytest.mark.slow
def test_the_installed_command_knows_its_version_and_strips_a_head(run_installed, tmp_path):
    program = "from skullstrip.network.manifest import load_manifest; print(load_manifest()[1])"
    weights, folder = run_installed(sys.executable, "-c", program)
    assert Path(weights).is_relative_to(folder / "skullstrip" / "Models")
    assert skullstrip.__version__ in run_installed("skullstrip", "--version")[0]
    scan = save_head(tmp_path / "head.nii.gz", "PIR", (3.0, 3.0, 3.0))
    run_installed("skullstrip", scan)
    assert names(tmp_path) == ["head.nii.gz", "head_brain.nii.gz", "head_brain_mask.nii.gz"]


def test_users_get_lower_bounds_and_developers_a_pin_for_each_and_no_registry():
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (dependencies,) = re.findall(r"^dependencies = \[(.*?)^\]", pyproject, re.M | re.DOTALL)
    requirements = re.findall(r'"([^"]+)"', dependencies)
    assert [r for r in requirements if not re.fullmatch(r"[a-z]+>=[\d.]+( ; .+)?", r)] == []
    lock = (ROOT / "requirements" / "dev.lock").read_text(encoding="utf-8")
    pins = [line for line in lock.splitlines() if line and line[0] not in " #"]
    assert all(re.match(r"^[a-z0-9.-]+==[^ ]+( ; .+)?$", line) for line in pins), pins
    pinned = {pin.split("==")[0] for pin in pins}
    assert {r.split(">=")[0] for r in requirements} <= pinned
    assert "://" not in lock
