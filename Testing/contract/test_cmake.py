"""The extension installs every file it needs, and describes itself as the Extensions Index wants.

CMake fails on a listed file that is missing but never on one that was forgotten.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

LIBRARY_FILES = ("SkullStrip.py", "skullstrip/**/*.py", "SkullStripSlicer/**/*.py")
RESOURCE_FILES = ("Resources/**/*", "skullstrip/**/templates/*")
EXTENSION_VARIABLES = (
    "HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS",
)  # fmt: skip


def listed_files(cmake: str, variable: str) -> list[str]:
    """Entries of `set(variable ...)`, with the module's name filled in."""
    match = re.search(rf"set\({variable}\b([^)]*)\)", cmake)
    assert match, f"CMakeLists.txt sets no {variable}"
    name = re.search(r"set\(MODULE_NAME (\w+)\)", cmake)
    assert name, "CMakeLists.txt sets no MODULE_NAME"
    return match[1].replace("${MODULE_NAME}", name[1]).split()


def files_in(folder: Path, patterns: tuple[str, ...]) -> list[str]:
    """Files to install, relative to the module's folder; hidden files stay behind."""
    found = (path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
    return [p.relative_to(folder).as_posix() for p in found if not p.name.startswith(".")]


@pytest.mark.parametrize(
    ("variable", "patterns"),
    [("MODULE_PYTHON_SCRIPTS", LIBRARY_FILES), ("MODULE_PYTHON_RESOURCES", RESOURCE_FILES)],
)
def test_the_list_of_installed_files_is_the_folder(
    root: Path, variable: str, patterns: tuple[str, ...]
) -> None:
    folder = root / "SkullStrip"
    listed = listed_files((folder / "CMakeLists.txt").read_text(encoding="utf-8"), variable)
    present = files_in(folder, patterns)
    advice = "\n".join(
        ["In SkullStrip/CMakeLists.txt:"]
        + [f"  add    {name}" for name in sorted(set(present) - set(listed))]
        + [f"  remove {name}" for name in sorted(set(listed) - set(present))]
    )
    assert sorted(listed) == sorted(present), advice


def test_nothing_is_listed_twice(root: Path) -> None:
    cmake = (root / "SkullStrip" / "CMakeLists.txt").read_text(encoding="utf-8")
    listed = [
        *listed_files(cmake, "MODULE_PYTHON_SCRIPTS"),
        *listed_files(cmake, "MODULE_PYTHON_RESOURCES"),
    ]
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("variable", EXTENSION_VARIABLES)
def test_the_extension_describes_itself_in_one_quoted_literal(root: Path, variable: str) -> None:
    cmake = (root / "CMakeLists.txt").read_text(encoding="utf-8")
    value = re.search(rf'^set\(EXTENSION_{variable} "([^"]+)"\)', cmake, re.MULTILINE)
    assert value, f"EXTENSION_{variable} is not one quoted literal"
    assert "${" not in value[1]


def test_the_project_has_the_name_of_the_module(root: Path) -> None:
    cmake = (root / "CMakeLists.txt").read_text(encoding="utf-8")
    project = re.search(r"^project\((\w+)", cmake, re.MULTILINE)
    assert project
    assert project[1] == "SkullStrip"
    assert not project[1].startswith("Slicer")
    assert f"add_subdirectory({project[1]})" in cmake


def test_the_licence_has_a_name_that_the_index_finds(root: Path) -> None:
    licence = (root / "LICENSE.txt").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert "Version 2.0" in licence
