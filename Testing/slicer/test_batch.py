"""A folder of scans by `skullstrip batch`: the table filled, the report opened, cancelled.

The command is a stand-in that prints what the real one would, except in the slow test at the end.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel
import pytest
import slicer

from skullstrip.errors import Cancelled
from skullstrip.options import Options
from SkullStripSlicer.logic import StripLogic
from Testing.phantoms import make_head
from Testing.slicer.panel_fixtures import click, column, wait_for

# What `skullstrip batch --progress json` tells, by way of the child.
COMMAND = """
emit(event="started", pid=os.getpid())
source, out = request["source"], request["out"]
emit(event="scan", name="a", status="skipped", message="", reasons="", volume_ml=1100.04,
     verdict="pass", done=1, total=4)
emit(event="start", total=4, todo=3, jobs=2)
emit(event="scan", name="b/c", status="running")
emit(event="scan", name="broken", status="running")
emit(event="scan", name="broken", status="failed", message="It is broken.", reasons=None,
     volume_ml=None, verdict=None, done=2, total=4, seconds_left=60.0)
emit(event="scan", name="b/c", status="done", message="It is noisy.", reasons="It is rough.",
     volume_ml=1234.56, verdict="check", done=3, total=4, seconds_left=0.0)
emit(event="scan", name="b/c", status="running")
emit(event="scan", name="d", status="corrected", message="It is kept.", volume_ml=1.0)
Path(out).mkdir(exist_ok=True)
Path(out, "options.json").write_text(json.dumps(request["options"]))
emit(event="end", done=2, failed=1, skipped=1, report=str(Path(out, "report.html")))
emit(event="result", report={})
"""
WAITS_AT_THE_SECOND = """
emit(event="started", pid=os.getpid())
emit(event="start", total=3, todo=3, jobs=1)
emit(event="scan", name="a", status="done", volume_ml=1.0, done=1, total=3, seconds_left=180.0)
emit(event="scan", name="b/c", status="running")
time.sleep(600)
"""


def save(head, path):
    nibabel.save(nibabel.Nifti1Image(head.array, head.affine), path)


@pytest.fixture
def folder(tmp_path):
    """Two scans, one of them in a folder, a broken file, and what must be left alone."""
    scans = tmp_path / "scans"
    (scans / "b").mkdir(parents=True)
    for name in ("a.nii.gz", "b/c.nii", "a_brain.nii.gz", "a_brain_mask.nii.gz"):
        save(make_head("RAS", (8.0, 8.0, 8.0)), scans / name)
    (scans / "broken.nii.gz").write_bytes(b"nothing")
    (scans / "notes.txt").write_text("nothing")
    return scans


@pytest.fixture
def panel(widget, folder, tmp_path):
    widget.ui.batchBox.collapsed = False
    widget.ui.batchInputEdit.text = str(folder)
    widget.ui.batchOutputEdit.text = str(tmp_path / "out")
    return widget


def test_the_table_fills_with_what_the_command_tells_and_the_report_can_be_opened(
    panel, child, scene, tmp_path, monkeypatch
):
    opened: list[str] = []
    show = "qt.QDesktopServices.openUrl"
    monkeypatch.setattr(show, lambda url: opened.append(url.toLocalFile()))
    child(COMMAND)
    assert not panel.ui.reportButton.visible
    panel._parameterNode.borderMm = -1.5
    panel.ui.csfCheckBox.checked = False
    panel.ui.reorientCheckBox.checked = True
    click(panel.ui.batchButton)
    assert panel.ui.batchButton.text == "Cancel batch"
    assert not panel.ui.sceneButton.enabled
    assert wait_for(lambda: not panel.batchPanel.isRunning)
    assert [column(panel.ui.batchTable, number) for number in range(5)] == [
        ["a", "b/c", "broken", "d"],
        ["done before", "done", "failed", "corrected by hand"],
        ["pass", "check", "", ""],
        ["1100.0", "1234.6", "", "1.0"],
        ["", "It is rough. It is noisy.", "It is broken.", "It is kept."],
    ]
    assert panel.ui.batchLabel.text == "3 of 4 scans are done."
    assert panel.ui.batchButton.text == "Strip folder"
    assert panel.ui.sceneButton.enabled
    options = Options.from_json(json.loads((tmp_path / "out" / "options.json").read_text()))
    assert options == Options(border_mm=-1.5, keep_csf=False, reorient=True)
    scene.Clear(0)  # of which the folder knows nothing
    assert column(panel.ui.batchTable, 0)[:2] == ["a", "b/c"]
    assert panel.ui.batchLabel.text == "3 of 4 scans are done."
    click(panel.ui.reportButton)
    assert opened == [str(tmp_path / "out" / "report.html")]


def test_a_cancelled_batch_says_what_was_done(panel, child):
    child(WAITS_AT_THE_SECOND)
    click(panel.ui.batchButton)
    assert wait_for(lambda: column(panel.ui.batchTable, 1) == ["done", "running"])
    assert panel.ui.batchLabel.text == "1 of 3 scans, about 3 min left"
    click(panel.ui.batchButton)
    assert not panel.batchPanel.isRunning
    assert column(panel.ui.batchTable, 1) == ["done", "not done"]
    assert "1 of 3" in panel.ui.batchLabel.text
    assert "go on where it was left" in panel.ui.batchLabel.text
    assert not panel.ui.reportButton.visible
    assert list(Path(slicer.app.temporaryPath).iterdir()) == []


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [("", "", "No folder is named"), ("nowhere", "out", "is not a folder"),
     ("scans", "scans", "another folder")],
)  # fmt: skip
def test_folders_that_make_no_sense_are_refused(panel, tmp_path, source, target, words):
    for edit, name in ((panel.ui.batchInputEdit, source), (panel.ui.batchOutputEdit, target)):
        edit.text = str(tmp_path / name) if name else ""
    click(panel.ui.batchButton)
    assert words in panel.ui.batchLabel.text


@pytest.mark.slow
def test_the_real_command_strips_a_folder_resumes_and_passes_over_a_broken_file(
    folder, tmp_path, scene, pythonForBatches, monkeypatch
):
    monkeypatch.setattr("shutil.which", lambda _: str(pythonForBatches))
    save(make_head("RAS", (2.5, 2.5, 2.5)), folder / "a.nii.gz")
    shutil.rmtree(folder / "b")

    def run():
        ended = []
        batch = StripLogic().stripFolder(folder, tmp_path / "out", finished=ended.append)
        batch.wait()
        assert ended == [batch]
        return batch

    first = run()
    assert {scan.name: scan.state for scan in first.scans} == {"a": "done", "broken": "failed"}
    done, broken = sorted(first.scans, key=lambda scan: scan.name)
    assert "cannot be read" in broken.message
    mask = nibabel.load(tmp_path / "out" / "a_brain_mask.nii.gz")
    assert done.volumeMl == pytest.approx(mask.get_fdata().sum() * 2.5**3 / 1000, rel=1e-3)
    assert first.report == tmp_path / "out" / "report.html"
    assert first.report.is_file()
    second = run()
    assert {scan.name: scan.state for scan in second.scans} == {"a": "skipped", "broken": "failed"}


@pytest.mark.slow
def test_cancelling_the_real_command_ends_its_workers(
    folder, tmp_path, scene, pythonForBatches, qapp, monkeypatch
):
    monkeypatch.setattr("shutil.which", lambda _: str(pythonForBatches))
    save(make_head("RAS", (1.0, 1.0, 1.0)), folder / "a.nii.gz")
    ended = []
    batch = StripLogic().stripFolder(folder, tmp_path / "out", views=3, finished=ended.append)
    assert wait_for(lambda: batch.count("running"))
    group = batch._child._pid
    assert wait_for(lambda: processesOf(group) > 1)
    batch.cancel()
    assert isinstance(batch.error, Cancelled)
    assert wait_for(lambda: processesOf(group) == 0)


def processesOf(group: int) -> int:
    """How many processes, other than dead ones, a process group has (Linux)."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        count += int(fields[2]) == group and fields[0] != "Z"
    return count
