"""Workflows, forms and dependabot's settings parse, and what they name is there.

They have never been run: the repository has no public home yet.
"""

import re

import pytest
import yaml


def loaded(path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict), path
    return content


@pytest.fixture
def jobs(root):
    return loaded(root / ".github" / "workflows" / "tests.yml")["jobs"]


def test_the_library_is_tested_on_three_systems_and_the_ends_of_its_python_range(root, jobs):
    matrix = jobs["python"]["strategy"]["matrix"]["include"]
    assert {entry["system"].split("-")[0] for entry in matrix} == {"ubuntu", "macos", "windows"}
    pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
    bounds = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', pyproject)
    assert bounds
    minors = {int(entry["python"].split(".")[1]) for entry in matrix}
    assert min(minors) == int(bounds[1])
    assert max(minors) == int(bounds[2]) - 1


def test_files_that_the_jobs_name_exist(root, jobs):
    commands = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    named = {
        word
        for command in commands
        for word in re.findall(r"(?:SkullStrip|Testing|requirements)/[\w./-]*\w", command)
    }
    assert named
    assert [name for name in sorted(named) if not (root / name).exists()] == []
    test_class = root / "SkullStrip" / "Testing" / "Python" / "SkullStripModuleTest.py"
    assert test_class.stem in " ".join(commands)
