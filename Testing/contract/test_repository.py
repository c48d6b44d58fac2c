"""The repository as a stranger finds it: small, readable, and what it names is there."""

import ast
import re
import warnings

import pytest
import yaml

from Testing.programs import LIBRARY, ROOT, run_program

CLONE_LIMIT_MB = 90.0  # the Extensions Index refuses 100 MB, history included
FOLDERS = ("SkullStrip", "training", "scripts", "Testing", "benchmarks", "docs")
ABSOLUTE_PATH = re.compile(
    r"^(/(home|Users|work|root|tmp|mnt|opt|data)/\w|[A-Za-z]:[\\/](Users|Program|Windows|temp))",
    re.I,
)


def git(*words):
    return run_program("git", "-C", ROOT, *words, check=True).stdout


def test_a_clone_with_its_history_stays_under_the_limit():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout (an unpacked sdist?)")
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        warnings.warn("a shallow checkout: only its part of the history was measured", stacklevel=1)
    history = int(git("rev-list", "--disk-usage", "--objects", "HEAD"))
    files = sum(int(line.split()[3]) for line in git("ls-tree", "-r", "-l", "HEAD").splitlines())
    assert (history + files) / 1e6 < CLONE_LIMIT_MB


def test_no_absolute_path_of_a_machine_is_in_the_code():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value!r}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and ABSOLUTE_PATH.match(node.value)
    ]
    assert found == []


def test_the_layout_in_the_developer_guide_is_the_folders_own():
    guide = (ROOT / "docs" / "developer_guide.md").read_text(encoding="utf-8")
    tree = guide.split("```")[1]
    named = {*re.findall(r"^ +(\w+(?:\.py)?)", tree, re.M), *re.findall(r", (\w+\.py)", tree)}
    for folder in (LIBRARY / "skullstrip", ROOT / "training"):
        rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
        files = {path.name for path in folder.glob("*.py") if not path.name.startswith("__")}
        assert rooms | files <= named


def test_the_workflow_tests_the_ends_of_the_python_range_and_names_files_that_exist():
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    matrix = yaml.safe_load(text)["jobs"]["python"]["strategy"]["matrix"]["include"]
    minors = [int(entry["python"].split(".")[1]) for entry in matrix]
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-python = ">=3.{min(minors)},<3.{max(minors) + 1}"' in pyproject
    named = set(re.findall(r"(?:SkullStrip|Testing|requirements)/[\w./-]*\w", text))
    assert {name for name in named if not (ROOT / name).exists()} == set()
