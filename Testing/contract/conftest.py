"""Fixtures of the contract tests: the repository as files."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root():
    """The repository's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def python_files(root):
    """Every .py of ours, generated folders aside."""
    folders = ("SkullStrip", "training", "scripts", "Testing", "benchmarks", "docs")
    return sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
