"""The panel: the real .ui and the real wiring, on stand-ins for CTK, Slicer's widgets and PythonQt.

The scene, the nodes and the child process are real; what the child runs is a stand-in, except in
the slow test at the end. What is imitated of PythonQt is said in `pythonqt.py`.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import slicer

from skullstrip.errors import EngineError
from SkullStripSlicer import outputs
from Testing.slicer.child_stand_ins import HANGING, PAUSING, STAYING, THRESHOLD, is_running
from Testing.slicer.panel_fixtures import click, enter, leave, palette, strip, wait_for
from Testing.slicer.pythonqt import unwrap
from Testing.slicer.scene import addVolume, maskOf

READABLE = 4.5  # contrast, by WCAG


def test_the_scan_that_is_shown_is_chosen_and_followed_until_the_user_picks(
    widget, volume, scene, head
):
    other = addVolume(scene, head.array, head.affine, "other")
    node = widget._parameterNode
    assert node.inputVolume is volume
    view = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    view.SetBackgroundVolumeID(other.GetID())
    assert node.inputVolume is other
    assert widget.ui.inputSelector.currentNode() is other
    unwrap(widget.ui.inputSelector).box.activated.emit(0)
    assert node.inputVolume is volume
    view.SetBackgroundVolumeID(volume.GetID())
    view.SetBackgroundVolumeID(other.GetID())
    assert node.inputVolume is volume


def test_one_click_gives_a_result_with_volume_and_verdict(widget, volume):
    ui = widget.ui
    assert ui.stripButton.enabled
    assert not ui.inputNotice.visible  # an ordinary scan
    assert not ui.resultBox.visible
    segmentation = strip(widget)
    assert ui.resultBox.visible
    assert ui.resultLabel.text == f"Brain {widget.logic.volumeMl(segmentation):.0f} mL."
    assert "Nothing unusual" in ui.detailsLabel.text
    assert ui.resultLabel.toolTip == ui.detailsLabel.text
    assert not ui.showButton.visible
    assert ui.stripButton.text == "Strip skull"
    assert not ui.progressBar.visible
    assert ui.undoButton.enabled


REPORT = {"dice_estimate": 0.9876, "dice_error": 0.0041, "volume_error_ml": 23.6}


def judged(widget, volume, **report):
    """A result with a verdict, as a run would report it."""
    segmentation = strip(widget)
    state = outputs.readState(segmentation)
    state["report"] |= REPORT | report
    outputs.writeState(segmentation, state, maskOf(segmentation))
    widget.enter()
    return segmentation


def test_a_result_is_said_in_one_line_with_its_error_and_the_rest_in_the_details(widget, volume):
    segmentation = judged(widget, volume, verdict="check")
    brain = f"Brain {widget.logic.volumeMl(segmentation):.0f} mL"
    assert widget.ui.resultLabel.text == f"{brain} (± 24). Look at it before you use it."
    assert "0.988 ± 0.004" in widget.ui.detailsLabel.text
    widget.ui.borderSlider.value = 2.0  # whose error nobody knows
    assert "±" not in widget.ui.resultLabel.text
    assert "Judged before the border moved." in widget.ui.detailsLabel.text


def test_a_warning_has_a_button_that_shows_its_place_in_the_slices(widget, scene, volume):
    view = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    warning = {"code": "second_look", "severity": "warn", "message": "A leak, perhaps."}
    places = [[10.0, 20.0, 30.0], [-5.0, 0.0, 8.0]]
    quality = [warning | {"position_ras": place} for place in places] + [warning]
    judged(widget, volume, verdict="check", quality=quality)
    assert "A leak, perhaps." in widget.ui.warningLabel.text
    for place in [*places, places[0]]:
        click(widget.ui.showButton)
        matrix = view.GetSliceToRAS()
        assert [matrix.GetElement(axis, 3) for axis in range(3)] == pytest.approx(place)


def luminance(color) -> float:
    """WCAG's."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color.getRgbF()]
    return float(np.dot(linear[:3], (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("name", ["light", "dark"])
def test_every_notice_can_be_read_on_a_light_and_on_a_dark_palette(qapp, makeWidget, name):
    from PySide6.QtGui import QColor

    with palette(qapp, name):
        widget = makeWidget()
        slicer.app.processEvents()
        behind = luminance(unwrap(widget.parent).palette().window().color())
        for tone in ("good", "warning", "error"):
            sys.modules["SkullStripSlicer.panel"].say(widget.ui.resultNotice, "Read me.", tone)
            color = QColor(widget.ui.resultNotice.styleSheet.split(":")[1].strip(" ;"))
            low, high = sorted((luminance(color), behind))
            assert (high + 0.05) / (low + 0.05) >= READABLE, tone


def test_a_ticked_confidence_map_is_made_with_the_next_run(widget):
    strip(widget)
    widget.ui.confidenceCheckBox.checked = True
    assert widget.ui.alsoNotice.text == "Comes with the next run: Confidence."
    assert strip(widget).GetNodeReference(outputs.CONFIDENCE_ROLE) is not None
    assert not widget.ui.alsoNotice.visible


@pytest.mark.parametrize(
    ("how", "reason"), [("button", "cancelled"), ("scene closed", "scene was closed")]
)
def test_a_run_ends_by_its_button_or_with_its_scene_and_the_panel_works_on(
    widget, child, tmp_path, scene, head, how, reason
):
    child(HANGING)
    widget._parameterNode.weights = str(tmp_path / "pids")
    click(widget.ui.stripButton)
    assert wait_for(lambda: "slice 10 of 100" in widget.ui.progressLabel.text)
    assert widget.ui.stripButton.text == "Cancel"
    assert 20 < widget.ui.progressBar.value < 40
    if how == "button":
        click(widget.ui.stripButton)
    else:
        scene.Clear(0)
    assert not widget.runPanel.isRunning
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 2
    assert wait_for(lambda: not any(map(is_running, pids)))
    assert reason in widget.ui.progressLabel.text
    assert widget.ui.stripButton.text == "Strip skull"
    assert list(Path(slicer.app.temporaryPath).iterdir()) == []
    assert scene.GetFirstNodeByClass("vtkMRMLSegmentationNode") is None
    child(THRESHOLD)
    widget._parameterNode.inputVolume = addVolume(scene, head.array, head.affine, "new")
    strip(widget)


def test_a_run_goes_on_when_the_module_is_left_and_the_status_bar_says_its_end(
    widget, child, tmp_path
):
    child(PAUSING)
    go = tmp_path / "go"
    widget._parameterNode.weights = str(go)
    click(widget.ui.stripButton)
    leave(widget)
    assert wait_for(lambda: "slice 10 of 100" in widget.ui.progressLabel.text)
    enter(widget)
    assert widget.ui.progressBar.visible
    assert widget.ui.stripButton.text == "Cancel"
    leave(widget)
    widget.ui.brainCheckBox.checked = True
    go.touch()
    assert wait_for(lambda: not widget.runPanel.isRunning)
    bar = slicer.util.mainWindow().statusBar()
    assert "The brain in 'T1' is found." in bar.currentMessage()
    enter(widget)
    assert widget.ui.resultBox.visible
    stripped = widget.resultPanel.segmentation.GetNodeReference(outputs.BRAIN_ROLE)
    assert stripped is not None  # ticked meanwhile


def test_show_3d_makes_the_surface_and_keeps_it_after_a_new_border_and_another_run(widget):
    segmentation = strip(widget)
    click(widget.ui.surfaceButton)
    assert outputs.hasSurface(segmentation)
    assert segmentation.GetDisplayNode().GetVisibility3D()
    widget.ui.borderSlider.value = 2.0
    assert wait_for(lambda: outputs.hasSurface(segmentation))
    strip(widget)
    assert wait_for(lambda: outputs.hasSurface(segmentation))
    click(widget.ui.surfaceButton)
    assert not segmentation.GetDisplayNode().GetVisibility3D()


def test_undo_goes_back_run_by_run_with_the_settings(widget, scene):
    strip(widget)
    widget.ui.borderSlider.value = 4.0
    first = widget.ui.resultLabel.text
    widget.ui.borderSlider.value = 1.0
    strip(widget)
    widget.ui.borderSlider.value = -2.0
    click(widget.ui.undoButton)
    assert widget.ui.borderSlider.value == 1.0
    assert widget.ui.resultLabel.text != first
    click(widget.ui.undoButton)
    assert not widget.ui.resultBox.visible
    assert scene.GetFirstNodeByClass("vtkMRMLSegmentationNode") is None


@pytest.mark.parametrize(
    ("what", "words"), [("slice", "only 1 slice along"), ("stripped", "stripped already")]
)
def test_what_is_no_t1_head_is_said_before_a_run(widget, scene, head, what, words):
    stripped = np.where(head.brain_mask, head.array, 0)
    array = {"slice": head.array[:, :, :1], "stripped": stripped}[what]
    widget._parameterNode.inputVolume = addVolume(scene, array, head.affine, what)
    assert words in widget.ui.inputNotice.text
    assert widget.ui.inputNotice.visible
    assert widget.ui.stripButton.enabled is (what == "stripped")


@pytest.mark.parametrize(
    ("script", "words"),
    [("os.abort()", "ended unexpectedly"),
     (THRESHOLD, "cannot be put into the scene (MemoryError: no room)")],
)  # fmt: skip
def test_a_run_that_fails_is_said_and_the_panel_works_on(widget, child, monkeypatch, script, words):
    def fail(*_):
        raise MemoryError("no room")

    child(script)
    with monkeypatch.context() as broken:
        broken.setattr(outputs, "createSegmentation", fail)
        click(widget.ui.stripButton)
        assert wait_for(lambda: not widget.runPanel.isRunning)
    assert words in widget.ui.progressLabel.text
    assert widget.ui.stripButton.text == "Strip skull"
    child(THRESHOLD)
    strip(widget)


def test_what_was_refused_is_not_said_of_the_next_scene(widget, scene, child):
    child("os.abort()")
    click(widget.ui.stripButton)
    assert wait_for(lambda: "ended unexpectedly" in widget.ui.progressLabel.text)
    click(widget.ui.batchButton)
    assert "No folder is named" in widget.ui.batchLabel.text
    scene.Clear(0)
    for label in (widget.ui.progressLabel, widget.ui.batchLabel, widget.ui.resultNotice):
        assert not label.text


def test_packages_are_listed_whatever_became_of_the_run(widget, scene, monkeypatch):
    """It fails after they were installed, or some were declined."""
    names = []

    def ensure(*_):
        names.append("onnxruntime")
        raise EngineError("Still missing after the installation: pynrrd.")

    monkeypatch.setattr("SkullStripSlicer.dependencies.ensure", ensure)
    monkeypatch.setattr("SkullStripSlicer.dependencies.installedByUs", lambda: names)
    click(widget.ui.stripButton)
    assert "Still missing" in widget.ui.progressLabel.text
    assert not widget.runPanel.isRunning
    assert scene.GetFirstNodeByClass("vtkMRMLSegmentationNode") is None
    assert widget.ui.packagesLabel.text == "onnxruntime"
    assert widget.ui.removeButton.enabled
    names.clear()  # by the console
    enter(widget)
    assert "none" in widget.ui.packagesLabel.text


def test_no_process_waits_while_packages_come_or_go(widget, child, monkeypatch):
    child(STAYING)
    needed, waiting = [], []

    def look(*_):
        waiting.append(widget.logic.children._resting is not None)

    monkeypatch.setattr("SkullStripSlicer.dependencies.missing", lambda _: needed)
    monkeypatch.setattr("SkullStripSlicer.dependencies.ensure", look)
    monkeypatch.setattr("SkullStripSlicer.dependencies.remove", look)
    strip(widget)
    strip(widget)  # nothing is missing
    needed.append("onnxruntime")
    strip(widget)
    widget.advancedPanel.removePackages()
    assert waiting == [False, True, False, False]


def test_a_result_is_handed_on_to_editor_file_and_export(
    widget, volume, scene, tmp_path, monkeypatch
):
    path, told = tmp_path / "mine.nii.gz", {}

    def tell(name):
        return lambda what: told.update({name: what})

    def choose(_parent, _title, name, _filters):
        told["offered"] = Path(name).name
        return str(path)

    editor = SimpleNamespace(
        setSegmentationNode=tell("segmentation"), setSourceVolumeNode=tell("source")
    )
    dialog = SimpleNamespace(setMRMLScene=tell("scene"), execDialog=tell("item"))
    slicer.modules.SegmentEditorWidget = SimpleNamespace(editor=editor)
    monkeypatch.setattr(slicer, "qSlicerDICOMExportDialog", lambda _: dialog, raising=False)
    monkeypatch.setattr(slicer.util, "selectModule", tell("module"))
    monkeypatch.setattr("qt.QFileDialog.getSaveFileName", choose)
    segmentation = strip(widget)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), segmentation)
    for button in (widget.ui.editButton, widget.ui.saveButton, widget.ui.exportButton):
        click(button)
    assert told == {
        "module": "SegmentEditor", "segmentation": segmentation, "source": volume,
        "offered": "T1_brain_mask.nii.gz", "scene": scene, "item": item,
    }  # fmt: skip
    assert path.is_file()
    assert str(path) in widget.ui.resultNotice.text


def test_the_module_can_be_reloaded(widget, makeWidget):
    strip(widget)
    widget.cleanup()
    again = makeWidget()
    assert again.resultPanel.segmentation is not None
    assert again.ui.resultBox.visible
