"""What the documents name is there: every command of theirs is run, in order, on made heads.

A stand-in, `ThresholdEngine`, takes the network's place, but in the workers of batches and in the
examples in Python. What cannot run here is looked up: targets, extras, options of other commands.
"""

import ast
import itertools
import re
import shlex
from dataclasses import fields

import pytest

from skullstrip.cli.batch import bids_main
from skullstrip.cli.main import main
from skullstrip.options import Options
from Testing.image_files import save_head
from Testing.phantoms import make_head
from Testing.programs import LIBRARY, ROOT, run_python

PAGES = [
    ROOT / name
    for name in (
        "README.md",
        "docs/command.md",
        "docs/dicom.md",
        "docs/slicer.md",
        "CONTRIBUTING.md",
    )
]
SPACING_MM = (3.0, 3.0, 3.0)


def blocks(language):
    """Contents of the fenced blocks in a language, in order."""
    fenced = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [block for page in PAGES for block in fenced.findall(page.read_text(encoding="utf-8"))]


def commands():
    """Lines of the shell blocks, each once and without its comment."""
    lines = (
        shlex.split(line, comments=True) for block in blocks("bash") for line in block.splitlines()
    )
    return list(dict.fromkeys(shlex.join(words) for words in lines if words))


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder as the reader has it: scans, a folder of scans, a BIDS data set, a DICOM series."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("T1.nii.gz", "scans/first.nii.gz", "bids/sub-01/anat/sub-01_T1w.nii.gz"):
        save_head(folder / name, "PIR", SPACING_MM)
    for name in ("FLAIR.nii.gz", "T2.nii.gz"):
        save_head(folder / name, "RAS", (3.0, 3.0, 6.0))
    description = '{"Name": "made", "BIDSVersion": "1.8.0"}'
    (folder / "bids" / "dataset_description.json").write_text(description, encoding="utf-8")
    dicom = pytest.importorskip("Testing.dicom_files", exc_type=ImportError)
    head = make_head("PIR", SPACING_MM)
    dicom.save(folder / "DICOM_FOLDER", dicom.datasets(head.array.astype("int16"), head.affine))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_documents_does_what_it_says(desk, monkeypatch, stand_in, line):
    monkeypatch.chdir(desk)
    match shlex.split(line):
        case ["skullstrip", *words]:
            strip(desk, words, [] if words[0] == "batch" else stand_in)
        case ["skullstrip-bids", *words]:
            assert bids_main(words) == 0
        case ["make", target]:
            assert f"\n{target}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
        case ["pip", "install", what]:
            extra = re.search(r"\[(\w+)\]", what)
            assert extra is None or f"\n{extra[1]} = [" in (ROOT / "pyproject.toml").read_text()
        case ["python", "-m", package, *words]:
            command = words[:1] if package == "training" else []
            shown = run_python("-m", package, *command, "--help", cwd=ROOT, check=True).stdout
            assert [word for word in words if word.startswith("--") and word not in shown] == []
        case _:
            pytest.fail(f"nothing here runs or looks up {line!r}")


def strip(desk, words, weights):
    """Run the command; it must not fail, and every file that an option names must be there."""
    # Of the line before; they would not be replaced.
    for output in (*desk.glob("T1_brain*"), *desk.glob("DICOM_FOLDER/series_*")):
        output.unlink()
    assert main([*words, *weights]) == 0
    files = [after for word, after in itertools.pairwise(words) if word[0] == "-" and "." in after]
    assert [file for file in files if not (desk / file).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_an_example_in_python_runs(desk, number):
    done = run_python("-c", blocks("python")[number], cwd=desk)
    assert done.returncode == 0, done.stderr


def test_calls_in_slicers_console_are_those_of_the_logic():
    """By name and keyword; the tests in Testing/slicer make such calls on Slicer's own code."""
    logic = ast.parse((LIBRARY / "SkullStripSlicer" / "logic.py").read_text(encoding="utf-8"))
    members = (node for each in logic.body if isinstance(each, ast.ClassDef) for node in each.body)
    functions = (node for node in members if isinstance(node, ast.FunctionDef))
    taken = {node.name: set(re.findall(r"\w+", ast.unparse(node.args))) for node in functions}
    options = {option.name for option in fields(Options)}
    calls = [node for node in ast.walk(ast.parse("".join(blocks("py")))) if is_call_of_logic(node)]
    assert calls
    for call in calls:
        known = taken[call.func.attr]
        known |= options if "overrides" in known else set()
        assert {keyword.arg for keyword in call.keywords} <= known, ast.unparse(call)


def is_call_of_logic(node):
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logic.")


def anchors(page):
    """The headings of a page as GitHub names them in addresses."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_files_and_headings_that_a_page_links_to_exist():
    folders = ("", "docs", "training", "Testing", "benchmarks", "SkullStrip/Resources/Models")
    missing = []
    for page in (page for folder in folders for page in (ROOT / folder).glob("*.md")):
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            name, _, heading = link.partition("#")
            target = page.parent / name if name else page
            if "://" not in link and not (
                target.exists() and (not heading or heading in anchors(target))
            ):
                missing.append(f"{page.relative_to(ROOT)}: {link}")
    assert missing == []


def test_every_test_that_a_page_names_is_there():
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")]
    tests = [path.read_text(encoding="utf-8") for path in (ROOT / "Testing").rglob("test_*.py")]
    named = set(re.findall(r"`(test_\w+)`", "".join(pages)))
    assert len(named) > 10
    assert named <= set(re.findall(r"^def (test_\w+)", "".join(tests), re.MULTILINE))


def test_every_source_file_that_a_page_names_is_there_or_in_a_commit_that_it_names():
    files = [path.as_posix() for path in ROOT.rglob("*.py") if ".venv" not in path.as_posix()]
    named = re.compile(r"`([\w./]*\w\.py)`(?!\s+of\s+commit)")
    missing = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in (*ROOT.glob("docs/*.md"), ROOT / "Testing/README.md", ROOT / "README.md")
        for name in named.findall(page.read_text(encoding="utf-8"))
        if not any(file.endswith(f"/{name.removeprefix('../')}") for file in files)
    ]
    assert missing == []
