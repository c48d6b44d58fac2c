"""Batches: a folder by `skullstrip batch`, every head of a scene, each frame of its sequences.

Of a folder the command is a stand-in that prints what the real one would, but in the slow tests; in
a scene the child goes by intensity. Real: nodes, sequences and their browser, from `slicer-core`;
playing them is the application's.
"""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import slicer
from PySide6.QtCore import Qt

from skullstrip.errors import Cancelled
from skullstrip.grid.regions import dice
from skullstrip.options import Options
from SkullStripSlicer import outputs
from SkullStripSlicer.logic import StripLogic
from SkullStripSlicer.scene_scans import findHeads
from SkullStripSlicer.voxels import readMask
from Testing.image_files import save_head
from Testing.phantoms import make_head
from Testing.slicer.child_stand_ins import HANGING, THRESHOLD, logicOf, script_process
from Testing.slicer.panel_fixtures import click, column, wait_for
from Testing.slicer.pythonqt import unwrap
from Testing.slicer.scene import addVolume, maskOf

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


@pytest.fixture
def folder(tmp_path):
    """Two scans, one of them in a folder, a broken file, and what must be left alone."""
    scans = tmp_path / "scans"
    (scans / "b").mkdir(parents=True)
    for name in ("a.nii.gz", "b/c.nii", "a_brain.nii.gz", "a_brain_mask.nii.gz"):
        save_head(scans / name, "RAS", (8.0, 8.0, 8.0))
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
    opened = []
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
    save_head(folder / "a.nii.gz", "RAS", (2.5, 2.5, 2.5))
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
    save_head(folder / "a.nii.gz", "RAS", (1.0, 1.0, 1.0))
    ended = []
    batch = StripLogic().stripFolder(folder, tmp_path / "out", views=3, finished=ended.append)
    assert wait_for(lambda: batch.count("running"))
    group = batch._child._pid
    assert wait_for(lambda: processesOf(group) > 1)
    batch.cancel()
    assert isinstance(batch.error, Cancelled)
    assert wait_for(lambda: processesOf(group) == 0)


def processesOf(group):
    """How many processes, other than dead ones, a process group has (Linux)."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        count += int(fields[2]) == group and fields[0] != "Z"
    return count


DICE = 0.95  # of the stand-in, which finds the brain by its grey values
INDICES = ("0", "2.5", "5")


@pytest.fixture
def head():
    return make_head("PIR", (3.0, 3.0, 3.0), oblique_degrees=10)


@pytest.fixture
def sequence(scene, head):
    """Three frames, and a browser that shows the first; the heads differ by their brightness."""
    sequences = slicer.vtkSlicerSequencesLogic()  # registers the nodes
    sequences.SetMRMLScene(scene)
    node = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Dynamic")
    node.SetIndexName("delay")  # neither name nor unit nor type is Slicer's own choice
    node.SetIndexUnit("ms")
    node.SetIndexType(node.TextIndex)
    for place, index in enumerate(INDICES):
        frame = addVolume(scene, head.array + place, head.affine, "frame")
        node.SetDataNodeAtValue(frame, index)
        scene.RemoveNode(frame)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browser.SetAndObserveMasterSequenceNodeID(node.GetID())
    sequences.UpdateProxyNodesFromSequences(browser)
    node.keptAlive = sequences
    return node


def resultOf(scene, sequence):
    """The sequence that our run made beside this one."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSequenceNode", scene)
    (found,) = [node for node in nodes if node is not sequence]
    return found


def browserOf(scene):
    return scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode")


def frameMask(segmentation, sequence):
    """A frame's mask; all frames lie on one grid."""
    (segmentId,) = segmentation.GetSegmentation().GetSegmentIDs()
    return readMask(segmentation, segmentId, sequence.GetNthDataNode(0))


def likelyHeads(scene):
    return [head.name for head in findHeads(scene) if head.isLikely]


def test_each_head_gets_a_segmentation_and_is_told_of_with_its_verdict(scene, head):
    found = '"checks": [], "verdict": "check", "quality": [{"code": "rough", "severity": "warn", '
    script = THRESHOLD.replace('"checks": []', found + '"message": "It is rough."}]')
    volumes = [addVolume(scene, head.array, head.affine, name) for name in ("one", "two")]
    changes = []
    scans = StripLogic(script_process(script)).stripScene(
        scanChanged=lambda scan: changes.append((scan.name, scan.state))
    )
    assert [(scan.verdict, scan.message) for scan in scans] == [("check", "It is rough.")] * 2
    assert changes == [("one", "running"), ("one", "done"), ("two", "running"), ("two", "done")]
    for volume, scan in zip(volumes, scans, strict=True):
        mask = maskOf(outputs.findSegmentation(volume))
        assert dice(mask, head.brain_mask) > DICE
        assert scan.volumeMl == pytest.approx(mask.sum() * 0.027, rel=1e-3)


def test_what_is_no_head_mri_is_left_out_and_what_we_made(scene, volume, head, logic):
    logic.strip(volume, brain=True, invert=True, probability=True)
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 3
    addVolume(scene, np.where(head.brain_mask, 1, 0).astype(np.uint8), head.affine, "a mask")
    addVolume(scene, head.array * 20 - 1000, head.affine, "CT")
    addVolume(scene, head.array[:4], head.affine, "four slices")
    hidden = addVolume(scene, head.array, head.affine, "hidden")
    hidden.SetHideFromEditors(True)
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    assert likelyHeads(scene) == ["T1"]


def test_frames_are_found_once_and_not_the_volume_that_shows_them(scene, sequence, head):
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1  # the browser's
    (found,) = findHeads(scene)
    assert found.name == "Dynamic"
    assert [scan.name for scan in found.scans] == [
        "Dynamic, delay 0 ms", "Dynamic, delay 2.5 ms", "Dynamic, delay 5 ms",
    ]  # fmt: skip
    for index in INDICES:
        sequence.RemoveDataNodeAtValue(index)
    mask = addVolume(scene, head.brain_mask.astype(np.uint8), head.affine)
    sequence.SetDataNodeAtValue(mask, "0")
    scene.RemoveNode(mask)
    assert likelyHeads(scene) == [], "frames that are masks"


def test_each_frame_gets_a_segmentation_in_a_sequence_that_is_played_along(
    scene, sequence, head, logic
):
    scans = logic.stripScene()
    assert [scan.state for scan in scans] == ["done"] * 3
    result = resultOf(scene, sequence)
    assert result.GetName() == "Dynamic brain"
    assert [result.GetNthIndexValue(place) for place in range(3)] == list(INDICES)
    assert (result.GetIndexName(), result.GetIndexUnit()) == ("delay", "ms")
    assert result.GetIndexType() == result.TextIndex
    for index in INDICES:
        mask = frameMask(result.GetDataNodeAtValue(index), sequence)
        assert dice(mask, head.brain_mask) > DICE
    shown = scene.GetNodesByClass("vtkMRMLSegmentationNode")
    assert shown.GetNumberOfItems() == 1  # the browser's, for the current frame
    assert browserOf(scene).GetSequenceNode(shown.GetItemAsObject(0)) is result
    for frame in (2, 1):
        browserOf(scene).SetSelectedItemNumber(frame)
        sequence.keptAlive.UpdateProxyNodesFromSequences(browserOf(scene))
        assert list(shown.GetItemAsObject(0).GetSegmentation().GetSegmentIDs()) == ["Brain"]
        display = shown.GetItemAsObject(0).GetDisplayNode()
        assert not display.GetVisibility2DFill()
        assert display.GetVisibility2DOutline()
        voxels = np.count_nonzero(frameMask(result.GetDataNodeAtValue(INDICES[frame]), sequence))
        assert scans[frame].volumeMl == pytest.approx(voxels * 0.027, rel=1e-3)
    wider = logic.stripScene(border_mm=3.0)[1]
    assert wider.volumeMl > scans[1].volumeMl


def test_a_frame_that_failed_shows_no_mask_and_each_head_has_its_colour(scene, sequence, head):
    volumes = [addVolume(scene, head.array, head.affine, name) for name in ("one", "two")]
    scans = logicOf(*[THRESHOLD] * 3, "sys.exit(1)", THRESHOLD).stripScene()
    assert [scan.state for scan in scans] == ["done", "done", "done", "failed", "done"]
    browserOf(scene).SetSelectedItemNumber(1)
    result = resultOf(scene, sequence)
    proxy = browserOf(scene).GetProxyNode(result)
    assert proxy.GetSegmentation().GetNumberOfSegments() == 0
    browserOf(scene).SetSelectedItemNumber(2)
    nodes = [*map(outputs.findSegmentation, volumes), browserOf(scene).GetProxyNode(result)]
    colors = {node.GetSegmentation().GetNthSegment(0).GetColor() for node in nodes}
    assert len(colors) == 3


def test_whatever_a_scan_raises_stops_none_of_the_rest(scene, head):
    for name in ("one", "two", "three"):
        addVolume(scene, head.array, head.affine, name)
    fails = "emit(event='error', message='No luck.', exit_code=1); sys.exit(1)"
    scans = logicOf(None, fails, THRESHOLD).stripScene()
    assert [(scan.state, scan.message) for scan in scans] == [
        ("failed", "No process."), ("failed", "No luck."), ("done", ""),
    ]  # fmt: skip


def test_the_panel_lists_the_heads_and_strips_those_that_are_ticked(widget, scene, head):
    addVolume(scene, head.array, head.affine, "another")
    addVolume(scene, head.array, head.affine, "unticked")
    addVolume(scene, head.array * 20 - 1000, head.affine, "CT")
    widget.ui.batchBox.collapsed = False
    table = unwrap(widget.ui.batchTable)
    click(widget.ui.sceneButton)
    assert not widget.batchPanel.isRunning
    assert column(widget.ui.batchTable, 0) == ["T1", "another", "unticked", "CT"]
    ticked = [table.item(row, 0).checkState() == Qt.CheckState.Checked for row in range(4)]
    assert ticked == [True, True, True, False]
    assert column(widget.ui.batchTable, 4)[3].startswith("CT-like. ")
    assert widget.ui.sceneButton.text == "Strip the ticked heads (3)"
    table.item(2, 0).setCheckState(Qt.CheckState.Unchecked)
    assert widget.ui.sceneButton.text == "Strip the ticked heads (2)"
    click(widget.ui.sceneButton)
    assert widget.ui.sceneButton.text == "Cancel batch"
    assert not widget.ui.batchButton.enabled
    assert wait_for(lambda: not widget.batchPanel.isRunning)
    assert column(widget.ui.batchTable, 0) == ["T1", "another"]
    assert column(widget.ui.batchTable, 1) == ["done", "done"]
    assert widget.ui.batchLabel.text == "2 of 2 scans are done."
    assert widget.ui.sceneButton.text == "Strip every head in the scene"
    assert not widget.ui.reportButton.visible
    click(widget.ui.sceneButton)  # what an earlier run told of the contrast is shown
    assert column(widget.ui.batchTable, 4)[:3] == ["T1-like.", "T1-like.", ""]


@pytest.mark.parametrize("what", ["list", "results"])
def test_a_table_of_heads_goes_with_the_scene_and_so_does_what_was_said(widget, scene, what):
    widget.ui.batchBox.collapsed = False
    click(widget.ui.sceneButton)
    if what == "results":
        click(widget.ui.sceneButton)
        assert wait_for(lambda: "1 of 1 scans are done." in widget.ui.batchLabel.text)
    assert column(widget.ui.batchTable, 0) == ["T1"]
    scene.Clear(0)
    assert column(widget.ui.batchTable, 0) == []
    assert not widget.ui.batchLabel.visible
    click(widget.ui.sceneButton)
    assert "no head MRI" in widget.ui.batchLabel.text


@pytest.mark.parametrize("how", ["button", "scene closed"])
def test_it_can_be_cancelled(widget, scene, head, child, tmp_path, how):
    addVolume(scene, head.array, head.affine, "another")
    child(HANGING)
    widget._parameterNode.weights = str(tmp_path / "pids")
    widget.ui.batchBox.collapsed = False
    click(widget.ui.sceneButton)
    click(widget.ui.sceneButton)
    assert wait_for((tmp_path / "pids").exists)
    if how == "button":
        click(widget.ui.sceneButton)
    else:
        scene.Clear(0)
    assert not widget.batchPanel.isRunning
    assert column(widget.ui.batchTable, 1) == ["not done", "not done"]
    assert "0 of 2 scans are done." in widget.ui.batchLabel.text
    reason = "batch was cancelled" if how == "button" else "scene was closed"
    assert reason in widget.ui.batchLabel.text
    assert scene.GetFirstNodeByClass("vtkMRMLSegmentationNode") is None


def test_closing_the_scene_ends_a_batch_that_is_at_a_frame(scene, sequence, tmp_path):
    """A frame lives in a scene of its sequence, which is not the one that closes."""
    batch = StripLogic(script_process(HANGING)).stripScene(
        weights=str(tmp_path / "pids"), finished=lambda _: None
    )
    scene.Clear(0)
    assert batch.isFinished
    assert [scan.state for scan in batch.scans] == ["cancelled"] * 3


def test_scans_that_are_removed_stop_none_of_the_rest(scene, head):
    volumes = [addVolume(scene, head.array, head.affine, name) for name in ("one", "two", "three")]
    batch = logicOf("time.sleep(600)", THRESHOLD, THRESHOLD).stripScene(finished=lambda _: None)
    for volume in volumes[:2]:  # the one that is stripped, and one that waits
        scene.RemoveNode(volume)
    assert batch.scans[0].state == "failed"
    assert not batch.isFinished
    scans = batch.wait()
    assert [scan.state for scan in scans] == ["failed", "failed", "done"]
    assert all("removed from the scene" in scan.message for scan in scans[:2])
