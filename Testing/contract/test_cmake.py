"""The extension installs every file it needs.

CMake fails on a listed file that is missing but never on one that was forgotten.
"""

import re

import pytest

LIBRARY_FILES = ("SkullStrip.py", "skullstrip/**/*.py", "SkullStripSlicer/**/*.py")
RESOURCE_FILES = ("Resources/**/*", "skullstrip/**/templates/*")


def listed_files(cmake, variable):
    """Entries of `set(variable ...)`, with the module's name filled in."""
    match = re.search(rf"set\({variable}\b([^)]*)\)", cmake)
    assert match, f"CMakeLists.txt sets no {variable}"
    name = re.search(r"set\(MODULE_NAME (\w+)\)", cmake)
    assert name, "CMakeLists.txt sets no MODULE_NAME"
    return match[1].replace("${MODULE_NAME}", name[1]).split()


def files_in(folder, patterns):
    """Files to install, relative to the module's folder; hidden files stay behind."""
    found = (path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
    return [p.relative_to(folder).as_posix() for p in found if not p.name.startswith(".")]


@pytest.mark.parametrize(
    ("variable", "patterns"),
    [("MODULE_PYTHON_SCRIPTS", LIBRARY_FILES), ("MODULE_PYTHON_RESOURCES", RESOURCE_FILES)],
)
def test_the_list_of_installed_files_is_the_folder(root, variable, patterns):
    folder = root / "SkullStrip"
    listed = listed_files((folder / "CMakeLists.txt").read_text(encoding="utf-8"), variable)
    present = files_in(folder, patterns)
    advice = "\n".join(
        ["In SkullStrip/CMakeLists.txt:"]
        + [f"  add    {name}" for name in sorted(set(present) - set(listed))]
        + [f"  remove {name}" for name in sorted(set(listed) - set(present))]
    )
    assert sorted(listed) == sorted(present), advice
