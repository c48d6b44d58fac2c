"""What the Extensions Index checks of an entry and of its repository, as far as files tell.

The rules are those of `slicer-extension-catalog-entry-schema-v1.0.1.json` in Slicer's repository
and of `scripts/check_description_files.py` in the Index's, restated here. That script also clones
the repository and downloads the pictures, which waits for a public address (TECH_DEBT.md).
"""

import json
import re
import struct

import pytest

SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/"
    "slicer-extension-catalog-entry-schema-v1.0.1.json#"
)
REPOSITORY = "SlicerSkullStrip/SlicerSkullStrip"
HOMEPAGE = f"https://github.com/{REPOSITORY}"
RAW = f"https://raw.githubusercontent.com/{REPOSITORY}/main/"
MOST_SUMMARY_WORDS = 60
VARIABLES = {
    "HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS",
}  # fmt: skip


@pytest.fixture
def entry(root):
    return json.loads((root / "SkullStrip.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def described(root):
    """The extension's variables, found in the text as the Index finds them."""
    cmake = (root / "CMakeLists.txt").read_text(encoding="utf-8")
    return dict(re.findall(r'set\(EXTENSION_(\w+)\s*"([^"]+)"\)', cmake))


def png_size(path):
    header = path.read_bytes()[:24]
    assert header.startswith(b"\x89PNG\r\n\x1a\n"), f"{path} is not a PNG file"
    return struct.unpack(">II", header[16:24])


def test_the_catalogue_entry_follows_the_schema(entry):
    assert entry.keys() == {
        "$schema", "build_dependencies", "build_subdirectory", "category", "scm_revision",
        "scm_url", "tier",
    }  # fmt: skip
    assert (entry["$schema"], entry["category"]) == (SCHEMA, "Segmentation")  # which the Index has
    assert entry["tier"] in {1, 3, 5}


def test_the_entry_is_named_like_the_project_and_the_repository_like_both(root, entry):
    cmake = (root / "CMakeLists.txt").read_text(encoding="utf-8")
    project = re.search(r"project\s*\(\s*([^\s)]+)", cmake)
    assert project
    assert (root / f"{project[1]}.json").is_file()
    assert f"add_subdirectory({project[1]})" in cmake
    assert entry["scm_url"] == f"{HOMEPAGE}.git"
    assert REPOSITORY.endswith(f"/Slicer{project[1]}")


def test_entry_and_cmake_say_the_same_in_few_words(entry, described):
    assert described.keys() >= VARIABLES
    assert not [text for text in described.values() if "${" in text]
    assert described["CATEGORY"] == entry["category"]
    assert described["HOMEPAGE"] == HOMEPAGE
    assert described["DEPENDS"] == "NA"
    assert entry["build_dependencies"] == []
    assert 10 < len(described["DESCRIPTION"].split()) <= MOST_SUMMARY_WORDS
    assert "not a medical device" in described["DESCRIPTION"]


def test_icon_and_screenshots_are_files_of_the_repository(root, described):
    screenshots = described["SCREENSHOTURLS"].split()
    urls = [described["ICONURL"], *screenshots]
    assert len(screenshots) >= 3
    assert all(url.startswith(RAW) for url in urls)
    sizes = [png_size(root / url.removeprefix(RAW)) for url in urls]
    assert sizes[0] == (128, 128)
    assert all(width >= 600 for width, _ in sizes[1:])


def test_no_other_address_of_the_repository_is_used(root):
    address = re.compile(r"github(?:usercontent)?\.com/([\w.-]+/SlicerSkullStrip)")
    globs = ("*.md", "docs/*.md", "*.cff", "CMakeLists.txt")
    pages = [page for glob in globs for page in root.glob(glob)]
    used = {match for page in pages for match in address.findall(page.read_text("utf-8"))}
    assert used == {REPOSITORY}


def test_the_licence_has_a_name_that_the_index_finds(root):
    licence = (root / "LICENSE.txt").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert "Version 2.0" in licence
