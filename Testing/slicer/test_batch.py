"""A folder of scans: files chosen, the table filled, bad files told apart, cancelled."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel
import pytest
import slicer

pytest.importorskip("PySide6")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
from SkullStripLib.errors import InputError
from Testing.phantoms import make_head
from Testing.slicer.panel_fixtures import click, wait_for
from Testing.slicer.pythonqt import unwrap

# Does for each file what the real child tells of it, without a network.
FILES = """
emit(event="started", pid=os.getpid())
for index, file in enumerate(request["files"]):
    emit(event="file", index=index, state="running")
    if "broken" in file["input"]:
        emit(event="file", index=index, state="failed", message="It is broken.")
    else:
        emit(event="file", index=index, state="done", volume_ml=1234.56, checks=[])
emit(event="result", report={})
"""
WAITS_AT_THE_SECOND = """
emit(event="started", pid=os.getpid())
emit(event="file", index=0, state="done", volume_ml=1.0, checks=[])
emit(event="file", index=1, state="running")
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two scans, one of them in a folder, a broken file, and what must be left alone."""
    scans = tmp_path / "scans"
    (scans / "b").mkdir(parents=True)
    small = make_head("RAS", (8.0, 8.0, 8.0))
    image = nibabel.Nifti1Image(small.array, small.affine)
    for name in ("a.nii.gz", "b/c.nii", "a_brain.nii.gz", "a_brain_mask.nii.gz"):
        nibabel.save(image, scans / name)
    (scans / "broken.nii.gz").write_bytes(b"nothing")
    (scans / "notes.txt").write_text("nothing")
    return scans


def cell(widget, row: int, column: int) -> str:
    return unwrap(widget.ui.batchTable).item(row, column).text()


def test_scans_are_found_in_order_and_our_own_outputs_left_out(folder, tmp_path, qapp) -> None:
    from SkullStripSlicer.batch import findScans

    files = findScans(folder, tmp_path / "out")
    names = [file.input.relative_to(folder).as_posix() for file in files]
    assert names == ["a.nii.gz", "b/c.nii", "broken.nii.gz"]
    assert files[1].outputs == {
        "brain": tmp_path / "out" / "b" / "c_brain.nii",
        "mask": tmp_path / "out" / "b" / "c_brain_mask.nii",
    }


@pytest.mark.parametrize(("source", "target"), [("nowhere", "out"), ("scans", "scans"),
                                                ("empty", "out")])  # fmt: skip
def test_folders_that_make_no_sense_are_refused(
    folder, tmp_path, qapp, source: str, target: str
) -> None:
    from SkullStripSlicer.batch import findScans

    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        findScans(tmp_path / source, tmp_path / target)


def test_the_table_fills(widget, child, folder, tmp_path) -> None:
    child(FILES)
    widget.ui.batchBox.collapsed = False
    widget.ui.batchInputEdit.text = str(folder)
    widget.ui.batchOutputEdit.text = str(tmp_path / "out")
    click(widget.ui.batchButton)
    assert widget.ui.batchButton.text == "Cancel batch"
    assert wait_for(lambda: not widget.batchPanel.isRunning)
    assert [cell(widget, row, 1) for row in range(3)] == ["done", "done", "failed"]
    assert cell(widget, 0, 2) == "1234.6"
    assert cell(widget, 2, 3) == "It is broken."
    assert widget.ui.batchLabel.text == "2 of 3 scans are done."
    assert widget.ui.batchButton.text == "Strip folder"


def test_a_cancelled_batch_says_what_was_done(widget, child, folder, tmp_path) -> None:
    child(WAITS_AT_THE_SECOND)
    widget.ui.batchBox.collapsed = False
    widget.ui.batchInputEdit.text = str(folder)
    widget.ui.batchOutputEdit.text = str(tmp_path / "out")
    click(widget.ui.batchButton)
    assert wait_for(lambda: cell(widget, 1, 1) == "running")
    click(widget.ui.batchButton)
    assert not widget.batchPanel.isRunning
    assert [cell(widget, row, 1) for row in range(3)] == ["done", "not done", "not done"]
    assert "1 of 3" in widget.ui.batchLabel.text
    assert list(Path(slicer.app.temporaryPath).iterdir()) == []


def test_an_empty_choice_is_said(widget) -> None:
    widget.ui.batchBox.collapsed = False
    click(widget.ui.batchButton)
    assert "No folder is named" in widget.ui.batchLabel.text


@pytest.mark.slow
def test_the_real_child_strips_a_folder_and_passes_over_a_broken_file(
    folder, tmp_path, weights, scene
) -> None:
    from SkullStripSlicer.logic import StripLogic

    head = make_head("RAS", (2.5, 2.5, 2.5))
    nibabel.save(nibabel.Nifti1Image(head.array, head.affine), folder / "a.nii.gz")
    (folder / "b" / "c.nii").unlink()
    files = StripLogic().stripFolder(folder, tmp_path / "out", weights=weights)
    assert [file.state for file in files] == ["done", "failed"]
    assert "cannot be read" in files[1].message
    mask = nibabel.load(files[0].outputs["mask"])
    assert mask.shape == head.array.shape
    assert files[0].volumeMl == pytest.approx(mask.get_fdata().sum() * 2.5**3 / 1000, rel=1e-3)
