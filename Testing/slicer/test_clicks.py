"""A result corrected by clicks, on a real scene: by script, and by points set from the panel.

The scan is a synthetic head, whose brain's centre is the origin; the child's program is a stand-in.
"""

import itertools

import numpy as np
import pytest
import slicer
import vtk

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


def pointsOf(segmentation):
    return segmentation.GetNodeReference("SkullStrip.Points")


def clicksAt(segmentation):
    """What the points in the views say, once each has been given its meaning."""
    from SkullStripSlicer.clicks_panel import readPoints  # which wants the stand-ins for Qt

    return readPoints(pointsOf(segmentation))


def corrected(mask, volume, *clicks):
    """What the library makes of a mask."""
    scan = volumeFromNode(volume)
    return correct_mask(mask, scan.array, scan.affine, clicks)


def test_without_a_panel_clicks_stay_as_the_border_moves_and_the_stripped_scan_follows(
    volume, logic
):
    segmentation = logic.strip(volume, brain=True)
    expected = corrected(maskOf(segmentation), volume, LESS)
    logic.setClicks(segmentation, [MORE, LESS])
    logic.setBorder(segmentation, 2.0)
    logic.setClicks(segmentation, [LESS])
    logic.setBorder(segmentation, 0.0)
    assert np.array_equal(maskOf(segmentation), expected)
    stripped = segmentation.GetNodeReference(outputs.BRAIN_ROLE)
    scan = volumeFromNode(volume).array
    assert np.array_equal(volumeFromNode(stripped).array != 0, expected & (scan != 0))


def test_a_click_means_the_place_that_is_shown_under_a_transform_that_warps_too(
    volume, scene, logic
):
    segmentation = logic.strip(volume)
    expected = corrected(maskOf(segmentation), volume, LESS)
    splines = vtk.vtkThinPlateSplineTransform()
    splines.SetBasisToR()
    corners, moved = vtk.vtkPoints(), vtk.vtkPoints()
    for corner in itertools.product((-90, 90), repeat=3):
        corners.InsertNextPoint(corner)
        moved.InsertNextPoint(1.1 * corner[0] + 20, corner[1], corner[2] * (1 + corner[0] / 900))
    splines.SetSourceLandmarks(corners)
    splines.SetTargetLandmarks(moved)
    warp = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    warp.SetAndObserveTransformToParent(splines)
    volume.SetAndObserveTransformNodeID(warp.GetID())
    shown = splines.TransformPoint(LESS.position_ras)
    assert np.linalg.norm(np.subtract(shown, LESS.position_ras)) > 10
    logic.setClicks(segmentation, [Click(tuple(shown), inside=False)])
    assert np.array_equal(maskOf(segmentation), expected)
    scan = volumeFromNode(volume)
    (other,) = logic.applyTo(segmentation, [addVolume(scene, scan.array, scan.affine, "other")])
    assert "warped" in other.message


def test_clicks_come_back_with_their_scene_and_can_still_be_taken_back(
    volume, scene, logic, tmp_path
):
    from SkullStripSlicer.clicks_panel import createPoints

    segmentation = logic.strip(volume)
    before = maskOf(segmentation)
    logic.setClicks(segmentation, [MORE])
    createPoints(segmentation)
    both = corrected(maskOf(segmentation), volume, LESS)
    saveAndReload(scene, tmp_path)
    loaded = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    fresh, volume = StripLogic(script_process(THRESHOLD)), outputs.sourceOf(loaded)
    assert clicksAt(loaded) == (MORE,)
    less = corrected(before, volume, LESS)
    for clicks, expected in (([MORE, LESS], both), ([LESS], less), ([], before)):
        fresh.setClicks(loaded, clicks)
        assert np.array_equal(maskOf(loaded), expected)


def hover(widget, position):
    """Move the mouse over a view as long as the button is down; returns the point shown there."""
    assert widget.ui.clickButton.checked
    points = pointsOf(widget.resultPanel.segmentation)
    return moved(points, -1, position, points.PositionPreview)


def place(widget, position):
    """Click into a view, where no visible point lies, whosoever's: that would be grabbed."""
    for node in slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode"):
        places = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
        near = np.linalg.norm(places - position, axis=1) < GRABBED_MM
        assert not (near.any() and node.GetDisplayVisibility()), node.GetName()
    points = pointsOf(widget.resultPanel.segmentation)
    moved(points, hover(widget, position), position, points.PositionDefined)


def moved(points, index, position, status):
    """Call what Slicer's views call when the mouse moves, and when it is clicked."""
    event = slicer.vtkMRMLInteractionEventData()
    event.SetWorldPosition(position)
    upright = np.eye(3).ravel()
    display = points.GetDisplayNode()
    return display.UpdateActiveControlPointWorld(index, event, upright, "", "", status)


def count_clicks(segmentation):
    return len(outputs.readState(segmentation).get("clicks", []))


def has_clicks(segmentation, count):
    """Wait until so many clicks have corrected a result."""
    return wait_for(lambda: count_clicks(segmentation) == count)


def correct(widget, *clicks):
    """Strip the scan and correct the result by clicks into the views."""
    segmentation = strip(widget)
    click(widget.ui.clickButton)
    for count, each in enumerate(clicks, 1):
        place(widget, each.position_ras)
        assert has_clicks(segmentation, count)
    return segmentation


def test_each_point_set_from_the_panel_corrects_and_can_be_taken_back(widget, volume):
    ui, before = widget.ui, maskOf(strip(widget))
    assert not ui.unclickButton.enabled
    segmentation = correct(widget, MORE, LESS)
    interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert clicksAt(segmentation) == (MORE, LESS), "each means what was not there"
    assert np.array_equal(maskOf(segmentation), corrected(before, volume, MORE, LESS))
    assert "Corrected by clicks." in ui.resultLabel.text

    for left in (1, 0):
        click(ui.unclickButton)
        assert has_clicks(segmentation, left)
    assert np.array_equal(maskOf(segmentation), before)
    assert not ui.unclickButton.enabled
    click(ui.clickButton)
    assert not ui.clickButton.checked
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform


def test_only_points_that_have_a_place_count(widget, monkeypatch):
    before = maskOf(strip(widget))
    segmentation = correct(widget, MORE)
    points, mask = pointsOf(segmentation), maskOf(segmentation)
    drawn = []
    with monkeypatch.context() as patch:
        patch.setattr(widget.resultPanel, "draw", lambda: drawn.append(True))
        points.RemoveNthControlPoint(hover(widget, LESS.position_ras))  # the mouse left the view
        slicer.app.processEvents()
    assert drawn == []
    assert np.array_equal(maskOf(segmentation), mask)
    points.UnsetNthControlPointPosition(0)
    assert has_clicks(segmentation, 0)
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
    assert has_clicks(segmentation, 1)
    edited = paint(segmentation)
    place(widget, MORE.position_ras)
    assert wait_for(lambda: "was edited" in widget.ui.resultNotice.text)
    click(widget.ui.unclickButton)
    assert clicksAt(segmentation) == ()
    assert wait_for(lambda: clicksAt(segmentation) == (LESS,))
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
        choose_another(widget, scene, head)
    elif end == "result":
        scene.RemoveNode(segmentation)
    elif end == "undo":
        click(widget.ui.undoButton)
    assert wait_for(lambda: strayPoints(scene) == [])
    assert wait_for(lambda: not widget.ui.clickButton.checked)


def choose_another(widget, scene, head):
    widget._parameterNode.inputVolume = addVolume(scene, head.array, head.affine, "other")


@pytest.mark.parametrize("where", ["shown", "in another module", "of another scan"])
def test_points_go_with_their_result_wherever_it_is_deleted(widget, scene, head, where):
    segmentation = correct(widget, MORE)
    if where == "in another module":
        leave(widget)
    elif where == "of another scan":
        choose_another(widget, scene, head)
    scene.RemoveNode(segmentation)
    assert scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 0
    enter(widget)
    correct(widget, MORE)


def test_points_of_another_result_are_hidden_and_do_not_catch_the_mouse(
    widget, scene, head, volume
):
    first = correct(widget, MORE)
    choose_another(widget, scene, head)
    second = correct(widget, MORE)
    widget._parameterNode.inputVolume = volume
    assert pointsOf(first).GetDisplayVisibility()
    assert not pointsOf(second).GetDisplayVisibility()


def test_undo_leaves_the_edited_result_of_before_and_placing_does_not_go_on_with_its_points(widget):
    first = correct(widget, MORE)
    edited = paint(first)
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
    assert widget.resultPanel.segmentation is first
    assert widget.ui.resultBox.visible
    assert np.array_equal(maskOf(first), edited)


def test_points_count_for_the_next_run_too_and_undo_brings_back_those_before_it(widget, scene):
    nodes, segmentation = nodeIds(scene), correct(widget, MORE)
    mask = maskOf(segmentation)
    assert strip(widget) is segmentation
    assert np.array_equal(maskOf(segmentation), mask)
    place(widget, LESS.position_ras)
    assert has_clicks(segmentation, 2)
    click(widget.ui.undoButton)
    assert not wait_for(lambda: count_clicks(segmentation) != 1, 0.3)
    assert clicksAt(segmentation) == (MORE,)
    assert np.array_equal(maskOf(segmentation), mask)
    click(widget.ui.undoButton)
    assert nodeIds(scene) <= nodes
    assert wait_for(lambda: not widget.ui.clickButton.checked)
