"""The panel: the real .ui and the real wiring, on stand-ins for CTK, Slicer's widgets and PythonQt.

It shows what is, whatever changed it: the views, a file, the Segment Editor, the console; what it
refuses, or cannot do, it says, and shows the state that is left. The scene, the nodes and the child
process are real; what the child runs is a stand-in.
"""

import dataclasses
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import slicer
import vtk
from PySide6.QtGui import QColor, QPalette

from skullstrip.errors import EngineError, InputError
from skullstrip.options import Options
from SkullStripSlicer import outputs, results
from Testing.programs import LIBRARY
from Testing.slicer import application_stand_in as application
from Testing.slicer.child_stand_ins import HANGING, PAUSING, STAYING, THRESHOLD, is_running
from Testing.slicer.panel_fixtures import click, enter, leave, strip, wait_for
from Testing.slicer.pythonqt import unwrap
from Testing.slicer.scene import addVolume, centreMm, harden, maskOf, paint

READABLE = 4.5  # contrast, by WCAG


def test_each_scan_that_is_shown_is_chosen_until_the_user_picks(scene, makeWidget, head):
    view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    widget, volumes = makeWidget(), []
    node, selector = widget._parameterNode, widget.ui.inputSelector
    for name in ("A", "B", "C"):
        volumes.append(addVolume(scene, head.array, head.affine, name))
        view.SetBackgroundVolumeID(volumes[-1].GetID())
        assert node.inputVolume is selector.currentNode() is volumes[-1]
    unwrap(selector).box.activated.emit(0)
    for volume in volumes:
        view.SetBackgroundVolumeID(volume.GetID())
        assert node.inputVolume is volumes[0]


def test_one_click_gives_a_result_with_volume_and_verdict_also_after_a_reload(widget, makeWidget):
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
    segmentation.GetDisplayNode().SetVisibility(False)
    assert strip(widget) is segmentation
    assert segmentation.GetDisplayNode().GetVisibility()
    widget.cleanup()
    again = makeWidget()
    assert again.resultPanel.segmentation is segmentation
    assert again.ui.resultBox.visible


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


def luminance(color):
    """WCAG's."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color.getRgbF()]
    return float(np.dot(linear[:3], (0.2126, 0.7152, 0.0722)))


def test_every_notice_can_be_read_on_a_light_and_a_dark_palette_and_after_a_change(
    qapp, widget, request
):
    def contrast() -> float:
        slicer.app.processEvents()
        color = QColor(widget.ui.resultNotice.styleSheet.split(":")[1].strip(" ;"))
        behind = unwrap(widget.parent).palette().window().color()
        low, high = sorted(map(luminance, (color, behind)))
        return (high + 0.05) / (low + 0.05)

    was = qapp.palette()
    request.addfinalizer(lambda: qapp.setPalette(was))
    for tone in ("good", "warning", "error"):
        sys.modules["SkullStripSlicer.panel"].say(widget.ui.resultNotice, "Read me.", tone)
        for window in ("#efefef", "#323232", "#efefef"):
            qapp.setPalette(QPalette(QColor(window)))
            assert contrast() >= READABLE, (tone, window)


def test_a_ticked_confidence_map_is_made_with_the_next_run(widget, child):
    strip(widget)
    widget.ui.confidenceCheckBox.checked = True
    assert widget.ui.alsoNotice.text == "Comes with the next run: Confidence."
    child(HANGING)
    click(widget.ui.stripButton)
    assert not widget.ui.alsoNotice.visible  # it is on
    click(widget.ui.stripButton)
    assert widget.ui.alsoNotice.visible
    child(THRESHOLD)
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


def test_the_border_is_made_ready_to_move_after_a_run_of_the_panel_alone(
    widget, volume, monkeypatch
):
    measured = []
    monkeypatch.setattr("SkullStripSlicer.border.signed_distance_mm", lambda *_: measured.append(1))
    widget.logic.strip(volume)
    assert not measured
    strip(widget)
    assert wait_for(lambda: measured)


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


def test_what_failed_or_was_refused_is_said_until_the_scene_closes_and_the_panel_works_on(
    widget, scene, child, head
):
    child("os.abort()")
    click(widget.ui.stripButton)
    assert wait_for(lambda: "ended unexpectedly" in widget.ui.progressLabel.text)
    assert widget.ui.stripButton.text == "Strip skull"
    click(widget.ui.batchButton)
    assert "No folder is named" in widget.ui.batchLabel.text
    scene.Clear(0)
    for label in (widget.ui.progressLabel, widget.ui.batchLabel, widget.ui.resultNotice):
        assert not label.text
    child(THRESHOLD)
    widget._parameterNode.inputVolume = addVolume(scene, head.array, head.affine, "new")
    strip(widget)


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
        return str(tmp_path / "mine")

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
    click(widget.ui.saveButton)
    assert "is there already" in widget.ui.resultNotice.text  # of which the dialog cannot know
    assert algorithmType(segmentation) == "AUTOMATIC"
    paint(segmentation)
    click(widget.ui.exportButton)
    assert algorithmType(segmentation) == "SEMIAUTOMATIC"


def algorithmType(segmentation):
    """What Slicer's DICOM export says of a segment."""
    value = vtk.reference("")
    segment = segmentation.GetSegmentation().GetSegment(outputs.segmentOf(segmentation))
    segment.GetTag("DICOM.SegmentAlgorithmType", value)
    return str(value)


def line(widget, segmentation):
    return f"Brain {widget.logic.volumeMl(segmentation):.0f} mL"


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
    segmentation = strip(widget)
    shown, plain = line(widget, segmentation), results.find(segmentation).whole(0.0)
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
    widget.ui.borderSlider.value = 0.0
    assert np.array_equal(maskOf(widget.resultPanel.segmentation), plain)


def test_after_the_scan_was_moved_the_panel_says_so_and_the_next_run_lies_on_it(
    widget, scene, volume
):
    segmentation = strip(widget)
    before = centreMm(segmentation)
    harden(volume, (30.0, 0.0, 0.0))
    assert wait_for(lambda: "was moved or cropped since" in widget.ui.warningLabel.text)
    assert strip(widget) is segmentation
    assert centreMm(segmentation) - before == pytest.approx([30.0, 0.0, 0.0], abs=1e-3)
    assert not widget.ui.warningLabel.visible


def test_voxels_are_looked_at_once_they_rest_and_only_while_the_module_is_open(
    widget, volume, monkeypatch
):
    """A sequence plays many a second, and while a volume is filled its parts do not fit."""
    looks, look = [], run_panel().inspectVolume
    monkeypatch.setattr(run_panel(), "inspectVolume", lambda node: looks.append(node) or look(node))
    fewer = slicer.util.arrayFromVolume(volume)[2:].copy()

    def play():
        for _ in range(3):
            slicer.util.updateVolumeFromArray(volume, fewer)
            slicer.app.processEvents()

    play()
    assert wait_for(lambda: looks == [volume])
    leave(widget)
    play()
    assert not wait_for(lambda: len(looks) > 1, seconds=0.3)
    enter(widget)
    assert looks == [volume] * 2
    assert not widget.ui.progressLabel.text


def run_panel():
    """The module, which the stand-ins for Qt must be there for."""
    from SkullStripSlicer import run_panel

    return run_panel


def test_a_view_that_is_not_in_the_layout_shows_nothing(widget, scene, volume, head):
    other = addVolume(scene, head.array, head.affine, "other")
    slices = {}
    for name in ("Red", "Yellow"):
        slices[name] = scene.AddNewNodeByClass("vtkMRMLSliceNode")
        slices[name].SetLayoutName(name)
    view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    view.SetLayoutName("Yellow")
    view.SetBackgroundVolumeID(other.GetID())
    layout = scene.AddNewNodeByClass("vtkMRMLLayoutNode")
    for shown, chosen in ((("Red", "Yellow"), volume), (("Yellow",), other), ((), volume)):
        for name, node in slices.items():
            node.SetMappedInLayout(name in shown)
        layout.Modified()  # as Slicer does after it
        assert widget._parameterNode.inputVolume is chosen


def test_a_scan_without_voxels_or_gone_is_said_to_be_and_not_to_have_moved(
    widget, scene, volume, logic, tmp_path
):
    """As after a scene was loaded whose files are somewhere else."""
    segmentation = strip(widget)
    volume.SetAndObserveImageData(None)
    assert wait_for(lambda: "holds no voxels" in widget.ui.inputNotice.text)
    assert widget.ui.resultBox.visible
    assert not widget.ui.warningLabel.visible
    with pytest.raises(InputError, match="'T1' holds no voxels"):
        logic.saveMask(segmentation, tmp_path / "mask.nii.gz")
    scene.RemoveNode(volume)
    for act in (logic.saveMask, logic.applyTo):
        with pytest.raises(InputError, match="no longer in the scene"):
            act(segmentation, tmp_path / "mask.nii.gz")


def test_choices_of_another_version_give_way_to_the_defaults(volume, makeWidget):
    settings = application.ScriptedLoadableModuleLogic().getParameterNode()
    settings.SetParameter("views", "NINE")
    widget = makeWidget()
    assert widget._parameterNode.views.value == "auto"
    strip(widget)


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


def test_an_edit_by_hand_is_shown_and_what_it_refuses_is_taken_back_on_the_widgets(widget):
    ui = widget.ui
    ui.borderSlider.value = 2.0
    segmentation = strip(widget)
    paint(segmentation)
    assert wait_for(lambda: ui.resultLabel.text.startswith(line(widget, segmentation)))
    assert "Edited by hand" in ui.resultLabel.text
    leave(widget)
    paint(segmentation, slices=5)
    enter(widget)
    assert ui.resultLabel.text.startswith(line(widget, segmentation))
    ui.borderSlider.value = 4.0
    assert ui.borderSlider.value == widget._parameterNode.borderMm == 2.0
    assert "was edited since" in ui.resultNotice.text
    click(ui.invertButton)
    assert not ui.invertButton.checked
    ui.brainCheckBox.checked = True
    assert "was edited since" in ui.resultNotice.text
    assert not ui.undoButton.enabled
    assert outputs.readState(segmentation)["borderMm"] == 2.0


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
    assert set(widget._parameterNode.parameters) - bound == {"followActive"}


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
    ui = ElementTree.parse(LIBRARY / "Resources" / "UI" / "SkullStrip.ui")
    fixed = [e.text for e in ui.iter("string") if e.get("notr") == "true"]
    keys = {f"Alt+{key}" for key in "APNRS"}
    assert set(fixed) == {*BOUND, "vtkMRMLScalarVolumeNode", *keys}
