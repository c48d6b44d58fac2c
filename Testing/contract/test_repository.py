"""The repository as a stranger finds it: small and readable."""

import ast
import os
import re
import warnings

import pytest

from Testing.programs import run_program

CLONE_LIMIT_MB = 90.0  # the Extensions Index refuses 100 MB, history included
ABSOLUTE_PATH = re.compile(
    r"^(/(home|Users|work|root|tmp|mnt|opt|data)/\w|[A-Za-z]:[\\/](Users|Program|Windows|temp))",
    re.I,
)


def size_mb(folder):
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files) / 1e6


def test_a_clone_with_its_history_stays_under_the_limit(root, tmp_path):
    if not (root / ".git").exists():
        pytest.skip("not a git checkout (an unpacked sdist?)")
    clone = tmp_path / "clone"
    run_program("git", "clone", "--quiet", "--no-local", root, clone, check=True)
    if (clone / ".git" / "shallow").exists():
        warnings.warn("a shallow checkout: only its part of the history was measured", stacklevel=1)
    assert size_mb(clone) < CLONE_LIMIT_MB


def test_no_absolute_path_of_a_machine_is_in_the_code(root, python_files):
    found = [
        f"{path.relative_to(root)}:{node.lineno} {node.value!r}"
        for path in python_files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and ABSOLUTE_PATH.match(node.value)
    ]
    assert found == []


def test_the_lock_names_packages_and_no_registry(root):
    lock = (root / "requirements" / "dev.lock").read_text(encoding="utf-8")
    pins = [line for line in lock.splitlines() if line and line[0] not in " #"]
    assert all(re.match(r"^[a-z0-9.-]+==[^ ]+( ; .+)?$", line) for line in pins), pins
    assert "://" not in lock


def test_ci_runs_make_test_and_nothing_else(root):
    script = root / ".ci" / "run"
    lines = script.read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make test"]
    assert os.access(script, os.X_OK)


def test_the_layout_in_the_developer_guide_is_the_folders_own(root):
    guide = (root / "docs" / "developer_guide.md").read_text(encoding="utf-8")
    tree = guide.split("```")[1]
    named = {*re.findall(r"^ +(\w+(?:\.py)?)", tree, re.M), *re.findall(r", (\w+\.py)", tree)}
    for folder in (root / "SkullStrip" / "skullstrip", root / "training"):
        rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
        files = {path.name for path in folder.glob("*.py") if not path.name.startswith("__")}
        assert rooms | files <= named
