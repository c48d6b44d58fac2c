"""Workflows, forms and dependabot's settings parse, and what they name is there.

They have never been run: the repository has no public home yet.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

FORM_PARTS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


def settings_files(root: Path) -> list[Path]:
    return sorted((root / ".github").rglob("*.yml"))


def loaded(path: Path) -> dict:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict), path
    return content


@pytest.fixture
def jobs(root: Path) -> dict[str, dict]:
    return loaded(root / ".github" / "workflows" / "tests.yml")["jobs"]


def test_every_file_for_github_parses(root: Path) -> None:
    names = {path.name for path in settings_files(root) if loaded(path)}
    assert names >= {"tests.yml", "dependabot.yml", "config.yml", "failure.yml", "wrong_mask.yml"}


def test_the_library_is_tested_on_three_systems_and_the_ends_of_its_python_range(
    root: Path, jobs: dict[str, dict]
) -> None:
    matrix = jobs["python"]["strategy"]["matrix"]["include"]
    assert {entry["system"].split("-")[0] for entry in matrix} == {"ubuntu", "macos", "windows"}
    pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
    bounds = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', pyproject)
    assert bounds
    minors = {int(entry["python"].split(".")[1]) for entry in matrix}
    assert min(minors) == int(bounds[1])
    assert max(minors) == int(bounds[2]) - 1


def test_the_lowest_versions_and_the_slicer_application_have_jobs(jobs: dict[str, dict]) -> None:
    lowest = " ".join(step.get("run", "") for step in jobs["lowest"]["steps"])
    assert "--resolution lowest-direct" in lowest
    inside = " ".join(step.get("run", "") for step in jobs["slicer"]["steps"])
    assert "slicer.testing.runUnitTest" in inside
    assert jobs["slicer"]["needs"] == "python"


def test_files_that_the_jobs_name_exist(root: Path, jobs: dict[str, dict]) -> None:
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


def test_every_job_ends_by_itself(jobs: dict[str, dict]) -> None:
    assert [name for name, job in jobs.items() if "timeout-minutes" not in job] == []


def test_actions_are_pinned_to_a_version(jobs: dict[str, dict]) -> None:
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+", action)] == []


@pytest.mark.parametrize("form", ["failure", "wrong_mask"])
def test_an_issue_form_has_what_github_demands(root: Path, form: str) -> None:
    content = loaded(root / ".github" / "ISSUE_TEMPLATE" / f"{form}.yml")
    assert {"name", "description", "body"} <= set(content)
    assert {part["type"] for part in content["body"]} <= FORM_PARTS
    asked = [part for part in content["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in asked}) == len(asked)
    assert all(part["attributes"]["label"] for part in asked)
