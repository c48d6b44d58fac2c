"""A result corrected by clicks, on a real scene: by script, and by points set from the panel.

The scan is a synthetic head, whose brain's centre is the origin; the child's program is a stand-in.
"""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from skullstrip.mask.clicks import Click, correct_mask
from SkullStripSlicer import outputs
from SkullStripSlicer.logic import StripLogic
from SkullStripSlicer.voxels import volumeFromNode
from Testing.slicer.child_stand_ins import THRESHOLD, script_process
from Testing.slicer.panel_fixtures import click, enter, leave, strip, wait_for
from Testing.slicer.scene import addVolume, maskOf, nodeIds, paint, saveAndReload, strayPoints

GRABBED_MM = 4.0  # about as near a click takes a point that is there instead of setting one
MORE = Click((0.0, 8.0, 71.0), inside=True)  # in the skull above the brain
LESS = Click((-56.0, 12.0, 4.0), inside=False)  # in the brain's right edge


def test_clicks_give_the_librarys_mask_and_none_give_the_networks_to_the_bit(volume, logic):
    segmentation = logic.strip(volume, brain=True)
    before, scan = maskOf(segmentation), volumeFromNode(volume)
    expected = correct_mask(before, scan.array, scan.affine, [MORE, LESS])

    logic.setClicks(segmentation, [MORE])
    logic.setClicks(segmentation, [MORE, LESS])
    assert np.array_equal(maskOf(segmentation), expected)
    stripped = segmentation.GetNodeReference(outputs.BRAIN_ROLE)
    assert np.array_equal(volumeFromNode(stripped).array != 0, expected & (scan.array != 0))

    logic.setBorder(segmentation, 2.0)
    logic.setClicks(segmentation, [LESS])
    logic.setBorder(segmentation, 0.0)
    alone = correct_mask(before, scan.array, scan.affine, [LESS])
    assert np.array_equal(maskOf(segmentation), alone)
    logic.setClicks(segmentation, [])
    assert np.array_equal(maskOf(segmentation), before)


def test_clicks_come_back_with_their_scene_and_can_still_be_taken_back(
    volume, scene, logic, tmp_path
):
    segmentation = logic.strip(volume)
    before = maskOf(segmentation)
    logic.setClicks(segmentation, [MORE])
    _points().createPoints(segmentation)
    expected = correct_mask(maskOf(segmentation), *_scan(volume), [LESS])
    saveAndReload(scene, tmp_path)
    loaded = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    fresh = StripLogic(script_process(THRESHOLD))
    assert _points().readPoints(pointsOf(loaded)) == (MORE,)
    fresh.setClicks(loaded, _points().readPoints(pointsOf(loaded)))
    fresh.setClicks(loaded, [MORE, LESS])
    assert np.array_equal(maskOf(loaded), expected)
    fresh.setClicks(loaded, [LESS])
    alone = correct_mask(before, *_scan(outputs.sourceOf(loaded)), [LESS])
    assert np.array_equal(maskOf(loaded), alone)
    fresh.setClicks(loaded, [])
    assert np.array_equal(maskOf(loaded), before)


def _points():
    """The module, which the stand-ins for Qt must be there for."""
    from SkullStripSlicer import clicks_panel

    return clicks_panel


def pointsOf(segmentation):
    return _points().pointsOf(segmentation)


def _scan(volume) -> tuple[np.ndarray, np.ndarray]:
    scan = volumeFromNode(volume)
    return scan.array, scan.affine


def hover(widget, position) -> int:
    """Move the mouse over a view as long as the button is down; returns the point shown there."""
    assert widget.ui.clickButton.checked
    points = pointsOf(widget.resultPanel.segmentation)
    return moved(points, -1, position, points.PositionPreview)


def place(widget, position) -> None:
    """Click into a view, where no visible point lies, whosoever's: that would be grabbed."""
    for node in slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode"):
        places = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
        near = np.linalg.norm(places - position, axis=1) < GRABBED_MM
        assert not (near.any() and node.GetDisplayVisibility()), node.GetName()
    points = pointsOf(widget.resultPanel.segmentation)
    moved(points, hover(widget, position), position, points.PositionDefined)


def moved(points, index, position, status) -> int:
    """Call what Slicer's views call when the mouse moves, and when it is clicked."""
    event = slicer.vtkMRMLInteractionEventData()
    event.SetWorldPosition(position)
    upright = np.eye(3).ravel()
    display = points.GetDisplayNode()
    return display.UpdateActiveControlPointWorld(index, event, upright, "", "", status)


def clicks_of(segmentation) -> list:
    return outputs.readState(segmentation).get("clicks", [])


def test_each_point_set_from_the_panel_corrects_and_can_be_taken_back(widget, volume):
    ui, segmentation = widget.ui, strip(widget)
    before = maskOf(segmentation)
    assert not ui.unclickButton.enabled
    click(ui.clickButton)
    interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    place(widget, MORE.position_ras)
    assert wait_for(lambda: len(clicks_of(segmentation)) == 1)
    place(widget, LESS.position_ras)
    assert wait_for(lambda: len(clicks_of(segmentation)) == 2)
    assert _points().readPoints(pointsOf(segmentation)) == (MORE, LESS), (
        "each means what was not there"
    )
    both = correct_mask(before, *_scan(volume), [MORE, LESS])
    assert np.array_equal(maskOf(segmentation), both)
    assert "Corrected by clicks." in ui.resultLabel.text

    click(ui.unclickButton)
    assert wait_for(lambda: len(clicks_of(segmentation)) == 1)
    click(ui.unclickButton)
    assert wait_for(lambda: not clicks_of(segmentation))
    assert np.array_equal(maskOf(segmentation), before)
    assert not ui.unclickButton.enabled
    click(ui.clickButton)
    assert not ui.clickButton.checked
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform


def test_only_points_that_have_a_place_count(widget, monkeypatch):
    ui, segmentation = widget.ui, strip(widget)
    before = maskOf(segmentation)
    click(ui.clickButton)
    place(widget, MORE.position_ras)
    assert wait_for(lambda: len(clicks_of(segmentation)) == 1)
    points, corrected = pointsOf(segmentation), maskOf(segmentation)
    drawn = []
    with monkeypatch.context() as patch:
        patch.setattr(widget.resultPanel, "draw", lambda: drawn.append(True))
        points.RemoveNthControlPoint(hover(widget, LESS.position_ras))  # the mouse left the view
        slicer.app.processEvents()
    assert drawn == []
    assert np.array_equal(maskOf(segmentation), corrected)
    points.UnsetNthControlPointPosition(0)
    assert wait_for(lambda: not clicks_of(segmentation))
    assert np.array_equal(maskOf(segmentation), before)


def test_a_point_that_is_refused_goes_and_the_panel_says_why(widget, scene):
    segmentation = strip(widget)
    before, nodes = maskOf(segmentation), nodeIds(scene)
    click(widget.ui.clickButton)
    place(widget, (900.0, 0.0, 0.0))
    assert wait_for(lambda: "outside the scan" in widget.ui.resultNotice.text)
    assert pointsOf(segmentation).GetNumberOfControlPoints() == 0
    assert np.array_equal(maskOf(segmentation), before)
    place(widget, LESS.position_ras)
    assert wait_for(lambda: len(clicks_of(segmentation)) == 1)
    edited = paint(segmentation)
    place(widget, MORE.position_ras)
    assert wait_for(lambda: "was edited" in widget.ui.resultNotice.text)
    click(widget.ui.unclickButton)
    assert _points().readPoints(pointsOf(segmentation)) == ()
    assert wait_for(lambda: _points().readPoints(pointsOf(segmentation)) == (LESS,))
    assert np.array_equal(maskOf(segmentation), edited), "the user's edit stays"
    nodes |= {pointsOf(segmentation).GetID(), pointsOf(segmentation).GetDisplayNodeID()}
    click(widget.ui.clickButton)
    click(widget.ui.clickButton)
    assert "was edited" in widget.ui.resultNotice.text
    assert not widget.ui.clickButton.checked
    assert nodeIds(scene) == nodes


@pytest.mark.parametrize("end", ["button", "module", "scan", "result", "undo", "refusal"])
def test_points_of_which_none_was_set_are_not_left_in_the_scene(widget, scene, head, end):
    segmentation, nodes = strip(widget), nodeIds(scene)
    if end == "refusal":
        paint(segmentation)
    click(widget.ui.clickButton)
    assert (nodeIds(scene) == nodes) is (end == "refusal")
    if end == "button":
        click(widget.ui.clickButton)
    elif end == "module":
        leave(widget)
    elif end == "scan":
        other = addVolume(scene, head.array, head.affine, "other")
        widget._parameterNode.inputVolume = other
    elif end == "result":
        scene.RemoveNode(segmentation)
    elif end == "undo":
        click(widget.ui.undoButton)
    assert wait_for(lambda: strayPoints(scene) == [])
    assert wait_for(lambda: not widget.ui.clickButton.checked)


@pytest.mark.parametrize("where", ["shown", "in another module", "of another scan"])
def test_points_go_with_their_result_wherever_it_is_deleted(widget, scene, head, where):
    segmentation = strip(widget)
    click(widget.ui.clickButton)
    place(widget, MORE.position_ras)
    assert wait_for(lambda: len(clicks_of(segmentation)) == 1)
    if where == "in another module":
        leave(widget)
    elif where == "of another scan":
        widget._parameterNode.inputVolume = addVolume(scene, head.array, head.affine, "other")
    scene.RemoveNode(segmentation)
    assert scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 0
    enter(widget)
    segmentation = strip(widget)
    click(widget.ui.clickButton)
    place(widget, MORE.position_ras)
    assert wait_for(lambda: len(clicks_of(segmentation)) == 1)


def test_points_of_another_result_are_hidden_and_do_not_catch_the_mouse(
    widget, scene, head, volume
):
    first = strip(widget)
    click(widget.ui.clickButton)
    place(widget, MORE.position_ras)
    assert wait_for(lambda: len(clicks_of(first)) == 1)
    other = addVolume(scene, head.array, head.affine, "other")
    widget._parameterNode.inputVolume = other
    second = strip(widget)
    click(widget.ui.clickButton)
    place(widget, MORE.position_ras)
    assert wait_for(lambda: len(clicks_of(second)) == 1)
    widget._parameterNode.inputVolume = volume
    assert pointsOf(first).GetDisplayVisibility()
    assert not pointsOf(second).GetDisplayVisibility()


def test_placing_does_not_go_on_with_the_points_of_the_result_that_an_undo_leaves(widget):
    first = strip(widget)
    click(widget.ui.clickButton)
    place(widget, MORE.position_ras)
    assert wait_for(lambda: len(clicks_of(first)) == 1)
    paint(first)
    assert strip(widget) is not first
    click(widget.ui.clickButton)
    hover(widget, LESS.position_ras)
    click(widget.ui.undoButton)
    interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    selection = slicer.mrmlScene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    selection.SetActivePlaceNodeID(pointsOf(first).GetID())  # as the application does
    slicer.app.processEvents()
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform
    assert not widget.ui.clickButton.checked


def test_points_count_for_the_next_run_too_and_undo_brings_back_those_before_it(widget, scene):
    segmentation = strip(widget)
    nodes = nodeIds(scene)
    click(widget.ui.clickButton)
    place(widget, MORE.position_ras)
    assert wait_for(lambda: len(clicks_of(segmentation)) == 1)
    corrected = maskOf(segmentation)
    assert strip(widget) is segmentation
    assert np.array_equal(maskOf(segmentation), corrected)
    place(widget, LESS.position_ras)
    assert wait_for(lambda: len(clicks_of(segmentation)) == 2)
    click(widget.ui.undoButton)
    assert not wait_for(lambda: len(clicks_of(segmentation)) != 1, 0.3)
    assert _points().readPoints(pointsOf(segmentation)) == (MORE,)
    assert np.array_equal(maskOf(segmentation), corrected)
    click(widget.ui.undoButton)
    assert nodeIds(scene) <= nodes
    assert wait_for(lambda: not widget.ui.clickButton.checked)
