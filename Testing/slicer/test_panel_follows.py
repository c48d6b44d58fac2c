"""The panel shows what is, whatever changed it: the views, a file, the Segment Editor, the console.

And what it refuses, or cannot do, it says, and shows the state that is left. Its settings are bound
to their widgets, saved with the scene, and tied to the chosen scan.
"""

import dataclasses
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import slicer

from skullstrip.options import Options
from SkullStripSlicer import outputs, results
from Testing.slicer import application_stand_in as application
from Testing.slicer.panel_fixtures import click, enter, leave, strip, wait_for
from Testing.slicer.pythonqt import unwrap
from Testing.slicer.scene import addVolume, centreMm, harden, maskOf, paint, saveAndReload


def line(widget, segmentation):
    return f"Brain {widget.logic.volumeMl(segmentation):.0f} mL"


def test_each_scan_loaded_and_shown_while_the_panel_is_open_is_chosen(scene, makeWidget, head):
    view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    widget = makeWidget()
    for name in ("A", "B", "C"):
        node = addVolume(scene, head.array, head.affine, name)
        view.SetBackgroundVolumeID(node.GetID())
        assert widget._parameterNode.inputVolume is node
        assert widget.ui.inputSelector.currentNode() is node


def test_what_we_made_is_never_offered_nor_chosen(widget, scene, volume, head):
    """By the panel or the console, shown in a view or left when its scan is removed."""
    selector = unwrap(widget.ui.inputSelector)
    for name in ("brainCheckBox", "probabilityCheckBox"):
        getattr(widget.ui, name).checked = True
    segmentation = strip(widget)
    widget.logic.strip(volume, confidence=True)
    roles = (outputs.BRAIN_ROLE, outputs.PROBABILITY_ROLE, outputs.CONFIDENCE_ROLE)
    made = [segmentation.GetNodeReference(role) for role in roles]
    assert None not in made
    assert selector.nodes() == [volume]
    view = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    view.SetBackgroundVolumeID(made[0].GetID())
    assert widget._parameterNode.inputVolume is volume
    scene.RemoveNode(volume)
    assert selector.nodes() == []
    assert widget._parameterNode.inputVolume is None
    other = addVolume(scene, head.array, head.affine, "other")
    assert selector.nodes() == [other]


@pytest.mark.parametrize("closes", [True, False])
def test_a_scene_loaded_while_the_panel_is_open_is_shown_at_once(widget, scene, tmp_path, closes):
    widget.ui.borderSlider.value = 2.0
    widget.ui.brainCheckBox.checked = True
    widget.ui.engineSelector.currentIndex = 2
    shown = line(widget, strip(widget))
    path = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(path, None)
    for kind in ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode"):
        for node in slicer.util.getNodesByClass(kind, scene):
            scene.RemoveNode(node)
    widget._parameterNode.borderMm = 0.0
    widget.ui.engineSelector.currentIndex = 0
    if closes:
        scene.Clear(0)
    assert scene.ReadFromMRB(path, closes)
    assert widget.ui.stripButton.enabled
    assert widget.ui.resultBox.visible
    assert widget.ui.resultLabel.text.startswith(shown)
    assert widget.ui.borderSlider.value == 2.0
    assert widget.ui.brainCheckBox.checked
    assert widget._parameterNode.engine.value == "tensorflow"


def test_after_the_scan_was_moved_the_panel_says_so_and_the_next_run_lies_on_it(
    widget, scene, volume
):
    segmentation = strip(widget)
    before = centreMm(segmentation)
    harden(volume, (30.0, 0.0, 0.0))
    assert wait_for(lambda: "was moved since" in widget.ui.warningLabel.text)
    assert strip(widget) is segmentation
    assert centreMm(segmentation) - before == pytest.approx([30.0, 0.0, 0.0], abs=1e-3)
    assert not widget.ui.warningLabel.visible


def test_an_edit_by_hand_is_shown_when_it_is_made_and_when_the_module_is_opened_again(widget):
    segmentation = strip(widget)
    paint(segmentation)
    assert wait_for(lambda: widget.ui.resultLabel.text.startswith(line(widget, segmentation)))
    assert "Edited by hand" in widget.ui.resultLabel.text
    leave(widget)
    paint(segmentation, slices=5)
    enter(widget)
    assert widget.ui.resultLabel.text.startswith(line(widget, segmentation))


@pytest.mark.parametrize("isLeft", [True, False])
def test_a_result_of_the_console_appears(widget, volume, logic, isLeft):
    if isLeft:
        leave(widget)
    segmentation = logic.strip(volume, border_mm=2.0)
    if isLeft:
        enter(widget)
    assert wait_for(lambda: widget.ui.resultBox.visible)
    assert widget.ui.resultLabel.text.startswith(line(widget, segmentation))
    assert widget.ui.borderSlider.value == 2.0


def test_a_surface_shown_or_hidden_elsewhere_is_left_so_and_the_button_follows(widget, volume):
    leave(widget)
    segmentation = widget.logic.strip(volume, surface=True)
    enter(widget)
    assert widget.ui.surfaceButton.checked
    assert segmentation.GetDisplayNode().GetVisibility3D()
    leave(widget)
    segmentation.RemoveClosedSurfaceRepresentation()
    enter(widget)
    assert not widget.ui.surfaceButton.checked
    assert not outputs.hasSurface(segmentation)


@pytest.mark.parametrize("what", ["node", "segment"])
def test_a_result_removed_by_hand_leaves_the_panel(widget, scene, what):
    segmentation = strip(widget)
    if what == "node":
        scene.RemoveNode(segmentation)
    else:
        segmentation.GetSegmentation().RemoveSegment(outputs.segmentOf(segmentation))
    assert wait_for(lambda: not widget.ui.resultBox.visible)
    assert strip(widget) is not None


def test_a_change_that_is_refused_is_taken_back_on_the_widgets(widget):
    widget.ui.borderSlider.value = 2.0
    segmentation = strip(widget)
    paint(segmentation)
    widget.ui.borderSlider.value = 4.0
    assert widget.ui.borderSlider.value == 2.0
    assert widget._parameterNode.borderMm == 2.0
    assert "was edited since" in widget.ui.resultNotice.text
    click(widget.ui.invertButton)
    assert not widget.ui.invertButton.checked
    widget.ui.brainCheckBox.checked = True
    assert "was edited since" in widget.ui.resultNotice.text
    assert not widget.ui.undoButton.enabled
    assert outputs.readState(segmentation)["borderMm"] == 2.0


def test_a_border_that_cannot_move_any_more_after_loading_stays(widget, scene, tmp_path):
    widget.ui.borderSlider.value = 2.0
    strip(widget)
    saveAndReload(scene, tmp_path)
    widget.ui.borderSlider.value = 4.0
    assert "loaded with its border moved" in widget.ui.resultNotice.text
    assert widget.ui.borderSlider.value == 2.0


def test_undo_of_a_second_run_shows_the_edited_result_that_is_left(widget):
    edited = strip(widget)
    mask = paint(edited)
    second = strip(widget)
    assert second is not edited
    assert np.array_equal(maskOf(edited), mask)
    click(widget.ui.undoButton)
    assert widget.resultPanel.segmentation is edited
    assert widget.ui.resultBox.visible
    assert widget.ui.resultLabel.text.startswith(line(widget, edited))


ACTS = {
    "strip": (lambda ui: click(ui.stripButton), "progressLabel"),
    "border": (lambda ui: setattr(ui.borderSlider, "value", 3.0), "resultNotice"),
    "invert": (lambda ui: click(ui.invertButton), "resultNotice"),
    "3D": (lambda ui: click(ui.surfaceButton), "resultNotice"),
    "undo": (lambda ui: click(ui.undoButton), "resultNotice"),
    "edit": (lambda ui: click(ui.editButton), "resultNotice"),
    "save": (lambda ui: click(ui.saveButton), "resultNotice"),
    "export": (lambda ui: click(ui.exportButton), "resultNotice"),
    "folder": (lambda ui: ui.batchButton.click(), "batchLabel"),
    "scene": (lambda ui: ui.sceneButton.click(), "batchLabel"),
    "packages": (lambda ui: ui.removeButton.click(), "packagesNotice"),
    "browse": (lambda ui: ui.weightsBrowse.click(), "packagesNotice"),
}


@pytest.mark.parametrize("act", ACTS)
def test_whatever_is_raised_is_said_in_one_sentence_and_logged(widget, monkeypatch, caplog, act):
    def fail(*_args, **_named):
        raise ZeroDivisionError("out of the blue")

    strip(widget)
    for name in ("strip", "showSurface", "undo", "findHeads", "stripFolder"):
        monkeypatch.setattr(widget.logic, name, fail)
    monkeypatch.setattr(results, "change", fail)
    monkeypatch.setattr(slicer.util, "selectModule", fail)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", fail)
    monkeypatch.setattr("qt.QFileDialog.getExistingDirectory", fail)
    monkeypatch.setattr("qt.QFileDialog.getSaveFileName", fail)
    widget.ui.removeButton.enabled = True
    monkeypatch.setattr(slicer, "qSlicerDICOMExportDialog", fail, raising=False)
    does, label = ACTS[act]
    does(widget.ui)
    text = getattr(widget.ui, label).text
    assert "ZeroDivisionError: out of the blue" in text
    assert "\n" not in text
    assert "Traceback" in caplog.text


BOUND = {
    "inputVolume", "makeBrain", "makeProbability", "makeConfidence", "keepCsf", "reorient",
    "invert", "showSurface", "borderMm", "engine", "device", "views", "weights", "wheels", "align",
    "batchInput", "batchOutput",
}  # fmt: skip


def test_every_setting_is_bound_or_set_by_the_panel_itself(widget):
    bound = {w.property("SlicerParameterName") for w in vars(widget.ui).values()} - {None}
    assert bound == BOUND
    assert set(type(widget._parameterNode)._hints) - bound == {"followActive"}


def test_the_panel_sets_every_option_of_the_method_but_the_threads(widget):
    from SkullStripSlicer import parameter_node

    assert parameter_node.runOptions(widget._parameterNode) == Options()
    choices = {
        "engine": parameter_node.EngineChoice,
        "device": parameter_node.DeviceChoice,
        "views": parameter_node.ViewsChoice,
    }
    for option in dataclasses.fields(Options):
        name = re.sub("_(.)", lambda match: match[1].upper(), option.name)
        assert name in BOUND or name in ("threads", "register")  # which is of "Also strip"
        for choice in choices.get(option.name, ()):
            assert choice.value in option.metadata["choices"]


def test_the_result_shown_is_that_of_the_chosen_scan(widget, volume, scene, head):
    other = addVolume(scene, head.array, head.affine, "other")
    widget.ui.borderSlider.value = 2.0
    first = strip(widget)
    widget._parameterNode.inputVolume = other
    assert not widget.ui.resultBox.visible
    widget.ui.borderSlider.value = -1.0
    second = strip(widget)
    assert second is not first
    widget._parameterNode.inputVolume = volume
    assert widget.resultPanel.segmentation is first
    assert widget.ui.borderSlider.value == 2.0
    assert outputs.readState(second)["borderMm"] == -1.0


def test_every_text_can_be_translated(widget):
    """Texts that the code sets went through `_()`; those of the .ui are translated by Qt."""
    strip(widget)
    shown = {widget.ui.stripButton.text, widget.ui.detailsLabel.text.splitlines()[1]}
    shown |= {widget.ui.engineSelector.itemText(0), widget.ui.viewsSelector.itemText(1)}
    table = unwrap(widget.ui.batchTable)
    shown |= {table.horizontalHeaderItem(i).text() for i in range(table.columnCount())}
    assert shown <= application.TRANSLATED
    ui = ElementTree.parse(application.MODULE / "Resources" / "UI" / "SkullStrip.ui")
    fixed = [e.text for e in ui.iter("string") if e.get("notr") == "true"]
    keys = {f"Alt+{key}" for key in "APNRS"}
    assert set(fixed) == {*BOUND, "vtkMRMLScalarVolumeNode", *keys}
