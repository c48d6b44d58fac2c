"""What the Extensions Index checks of an entry and of its repository, as far as files tell.

The rules are those of `slicer-extension-catalog-entry-schema-v1.0.1.json` in Slicer's repository
and of `scripts/check_description_files.py` in the Index's, restated here. That script also clones
the repository and downloads the pictures, which waits for a public address (TECH_DEBT.md).
"""

import json
import re

from PIL import Image

from Testing.programs import ROOT

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


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def described():
    """The extension's variables, found in the text as the Index finds them."""
    return dict(re.findall(r'set\(EXTENSION_(\w+)\s*"([^"]+)"\)', text_of("CMakeLists.txt")))


def test_the_entry_follows_the_schema_and_is_named_like_project_and_repository():
    project = re.search(r"project\s*\(\s*([^\s)]+)", text_of("CMakeLists.txt"))[1]
    entry = json.loads(text_of(f"{project}.json"))
    assert entry.pop("tier") in {1, 3, 5}
    assert entry == {
        "$schema": SCHEMA,
        "build_dependencies": [],
        "build_subdirectory": ".",
        "category": "Segmentation",  # which the Index has
        "scm_revision": "main",
        "scm_url": f"{HOMEPAGE}.git",
    }
    assert f"add_subdirectory({project})" in text_of("CMakeLists.txt")
    assert REPOSITORY.endswith(f"/Slicer{project}")
    assert re.search(r"Apache License\s+Version 2\.0", text_of("LICENSE.txt"))


def test_cmake_says_the_same_in_few_words():
    variables = described()
    assert variables.keys() >= VARIABLES
    assert not [text for text in variables.values() if "${" in text]
    told = variables["CATEGORY"], variables["HOMEPAGE"], variables["DEPENDS"]
    assert told == ("Segmentation", HOMEPAGE, "NA")
    assert 10 < len(variables["DESCRIPTION"].split()) <= MOST_SUMMARY_WORDS
    assert "not a medical device" in variables["DESCRIPTION"]


def test_icon_and_screenshots_are_files_of_the_repository():
    urls = [described()["ICONURL"], *described()["SCREENSHOTURLS"].split()]
    assert all(url.startswith(RAW) for url in urls)
    pictures = [Image.open(ROOT / url.removeprefix(RAW)) for url in urls]
    assert {picture.format for picture in pictures} == {"PNG"}
    icon, *widths = (picture.size[0] for picture in pictures)
    assert icon == 128
    assert len(widths) >= 3
    assert min(widths) >= 600


def test_no_other_address_of_the_repository_is_used():
    address = re.compile(r"github(?:usercontent)?\.com/([\w.-]+/SlicerSkullStrip)")
    globs = ("*.md", "docs/*.md", "*.cff", "CMakeLists.txt")
    pages = [page for glob in globs for page in ROOT.glob(glob)]
    used = {match for page in pages for match in address.findall(page.read_text("utf-8"))}
    assert used == {REPOSITORY}
