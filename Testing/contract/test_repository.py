"""The repository as a stranger finds it, and as the Extensions Index checks it.

The Index's rules are those of `slicer-extension-catalog-entry-schema-v1.0.1.json` in Slicer's
repository and of its own `scripts/check_description_files.py`, restated here. That script also
clones the repository and downloads the pictures, which waits for a public address (TECH_DEBT.md).
"""

import ast
import json
import re
import warnings

import pytest
import yaml
from PIL import Image

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
