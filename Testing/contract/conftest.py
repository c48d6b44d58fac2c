"""Fixtures of the contract tests: the repository as files."""

import pytest

from Testing.programs import ROOT


@pytest.fixture(scope="session")
def root():
    """The repository's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def python_files(root):
    """Every .py of ours, generated folders aside."""
    folders = ("SkullStrip", "training", "scripts", "Testing", "benchmarks", "docs")
    return sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
