"""Every command of README and the pages below is run, in order, by the real network, on made heads.

Those that cannot run here are skipped with the reason, so that a test run's summary lists them.
"""

import ast
import itertools
import os
import re
import shlex
import sys
from dataclasses import fields

import pytest

from skullstrip.options import Options
from Testing.image_files import save_head
from Testing.markdown import fenced_blocks
from Testing.phantoms import make_head
from Testing.programs import ENVIRONMENT, ROOT, run_program, run_python

PAGES = [
    ROOT / name for name in ("README.md", "docs/command.md", "docs/dicom.md", "docs/slicer.md")
]
NOT_RUN = {
    "make": "its targets install, test or clean; test_readme.py compares their names",
    "pip": "test_packaging.py and test_slicer_environments.py install the package and its extras",
    "python -m training": "takes data that are not here; its options were looked up in its help",
    "python -m benchmarks": "installs other networks; its options were looked up in its help",
}
VOXEL_MM = 3.0
COMMAND_SECONDS = 300


def blocks(language):
    texts = (page.read_text(encoding="utf-8") for page in PAGES)
    return [block for text in texts for block in fenced_blocks(text, language)]


def command_lines():
    """Commands in order, a line that ends in a backslash joined with the next."""
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [line for line in dict.fromkeys(lines) if shlex.split(line, comments=True)]


@pytest.fixture(scope="module")
def desk(root, tmp_path_factory):
    """A folder as the README's reader has it: one scan, a folder of scans, a BIDS data set."""
    folder = tmp_path_factory.mktemp("desk")
    head = make_head("PIR", (VOXEL_MM,) * 3)
    for name in ("T1.nii.gz", "scans/first.nii.gz", "bids/sub-01/anat/sub-01_T1w.nii.gz"):
        save_head(folder / name, "PIR", (VOXEL_MM,) * 3)
    for name in ("FLAIR.nii.gz", "T2.nii.gz"):
        save_head(folder / name, "RAS", (VOXEL_MM, VOXEL_MM, 2 * VOXEL_MM))
    description = '{"Name": "made", "BIDSVersion": "1.8.0"}'
    (folder / "bids" / "dataset_description.json").write_text(description, encoding="utf-8")
    dicom = pytest.importorskip("Testing.dicom_files", exc_type=ImportError)
    slices = dicom.datasets(head.array.astype("int16"), head.affine)
    dicom.save(folder / "DICOM_FOLDER", slices)
    write_commands(root, folder / "bin")
    return folder


def write_commands(root, folder):
    """The package's commands, of this checkout, whatever is installed."""
    folder.mkdir()
    pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
    for name, module, function in re.findall(
        r'^(skullstrip[\w-]*) = "([\w.]+):(\w+)"', pyproject, re.M
    ):
        program = folder / name
        program.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(root / 'SkullStrip')!r})\n"
            f"from {module} import {function}\n"
            f'if __name__ == "__main__":\n    sys.exit({function}())\n',  # workers import this file
            encoding="utf-8",
        )
        program.chmod(0o755)


def run(command, desk):
    """Run a command at the desk, with our commands first on the path; it must not fail."""
    path = f"{desk / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = ENVIRONMENT | {"PATH": path, "HOME": str(desk)}
    done = run_program(*command, cwd=desk, env=environment, timeout=COMMAND_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the README's lines are those of a POSIX shell")
@pytest.mark.parametrize("line", command_lines(), ids=lambda line: line.split("#")[0].strip())
def test_a_command_of_the_readme_runs(root, desk, line):
    words = " ".join(shlex.split(line, comments=True))
    for beginning, reason in NOT_RUN.items():
        if words.startswith(f"{beginning} "):
            look_up_options(root, shlex.split(words))
            pytest.skip(f"not run: {words} ({reason})")
    # Of the line before; they would not be replaced.
    for output in (*desk.glob("T1_brain*"), *desk.glob("DICOM_FOLDER/series_*")):
        output.unlink()
    run(["bash", "-euc", line], desk)
    missing = [word for word in outputs(line) if not (desk / word).exists()]
    assert missing == []


def look_up_options(root, words):
    """The options of `python -m PACKAGE [COMMAND] ...` are in its help."""
    if words[:2] != ["python", "-m"]:
        return
    subcommand = words[3:4] if words[2] == "training" else []
    done = run_python("-m", words[2], *subcommand, "--help", cwd=root, check=True)
    assert [word for word in words if word.startswith("--") and word not in done.stdout] == []


def outputs(line):
    """Files that a command names after an option, which therefore must be there afterwards."""
    words = shlex.split(line, comments=True)
    pairs = itertools.pairwise(words)
    return [after for word, after in pairs if word[0] == "-" and re.search(r"\.[a-z]\w*$", after)]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_a_python_example_of_the_readme_runs(desk, number):
    run([sys.executable, "-c", blocks("python")[number]], desk)


def test_calls_in_slicers_console_are_those_of_the_logic(root):
    """By name and keyword; the tests in Testing/slicer make such calls on Slicer's own code."""
    overrides = {option.name for option in fields(Options)}
    source = root / "SkullStrip" / "SkullStripSlicer" / "logic.py"
    classes = ast.parse(source.read_text(encoding="utf-8")).body
    methods = {
        node.name: {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
        | (overrides if node.args.kwarg else set())
        for logic in classes
        if isinstance(logic, ast.ClassDef)
        for node in logic.body
        if isinstance(node, ast.FunctionDef)
    }
    calls = [
        node
        for block in blocks("py")
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logic.")
    ]
    assert calls
    for call in calls:
        name = ast.unparse(call.func).removeprefix("logic.")
        assert name in methods
        assert {keyword.arg for keyword in call.keywords} <= methods[name]
