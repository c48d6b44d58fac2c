"""The mask of a result for the other scans of its study; the child carries it without a network."""

import numpy as np
import pytest
import slicer
import vtk
from PySide6.QtCore import Qt
from scipy import ndimage

from skullstrip.errors import InputError
from skullstrip.grid.regions import dice
from SkullStripSlicer import outputs
from SkullStripSlicer.logic import StripLogic
from Testing.phantoms import make_head
from Testing.slicer.child_stand_ins import APPLYING, script_process, wait_for
from Testing.slicer.panel_fixtures import click, column, strip
from Testing.slicer.pythonqt import unwrap
from Testing.slicer.scene import addVolume, centreMm, harden, maskOf

DICE = 0.95  # of a mask carried from 2 to 3 mm with the true one


@pytest.fixture
def logic():
    return StripLogic(script_process(APPLYING))


@pytest.fixture
def flair(scene):
    """A scan on another grid, which a transform of the scene brings to where the T1 is."""
    other = make_head("RAS", (1.5, 1.5, 5.0))
    turn = vtk.vtkTransform()
    turn.RotateZ(25)
    turn.Translate(40, -10, 5)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "to T1")
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    matrix = slicer.util.arrayFromVTKMatrix(turn.GetMatrix())
    node = addVolume(scene, other.array, np.linalg.inv(matrix) @ other.affine, "FLAIR")
    node.SetAndObserveTransformNodeID(transform.GetID())
    return node, other.brain_mask, transform


def test_another_scan_gets_mask_and_border_where_its_transform_has_it(volume, flair, logic):
    node, brain, transform = flair
    result = logic.strip(volume)
    before = slicer.util.arrayFromTransformMatrix(transform).copy()
    (scan,) = logic.applyTo(result)
    assert (scan.name, scan.state) == ("FLAIR", "done")
    assert dice(maskOf(outputs.findSegmentation(node)), brain) > DICE
    found = outputs.findSegmentation(node)
    assert np.allclose(centreMm(found), centreMm(result), atol=3.0)
    assert node.GetTransformNodeID() == found.GetTransformNodeID() == transform.GetID()
    assert not outputs.hasMoved(found)
    assert np.array_equal(slicer.util.arrayFromTransformMatrix(transform), before)
    assert logic.report(found)["verdict"] == "check"  # of which no network has said anything
    assert {"overlap", "alignment"} <= logic.report(found).keys()
    plain = maskOf(found).sum()
    logic.setBorder(result, -5.0)
    logic.applyTo(result)
    assert maskOf(outputs.findSegmentation(node)).sum() < 0.9 * plain


def test_scans_that_lie_apart_are_aligned_by_simpleitk_in_the_child(scene, logic):
    pytest.importorskip("SimpleITK")
    plain = make_head("RAS", (3.0, 3.0, 3.0))
    folds = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=plain.array.shape), 2.0)
    array = plain.array + 15 * folds / folds.std() * plain.brain_mask  # else it is alike all round
    volume = addVolume(scene, array, plain.affine)
    other = np.exp(-array / 40) * (array > 5)  # bright fluid
    shift = np.eye(4)
    shift[:3, 3] = 8, -5, 10
    flair = addVolume(scene, other, shift @ plain.affine, "FLAIR")
    result = logic.strip(volume)
    logic.applyTo(result, [flair])
    before = dice(maskOf(outputs.findSegmentation(flair)), plain.brain_mask)
    (scan,) = logic.applyTo(result, [flair], register="rigid")
    assert scan.state == "done", scan.message
    assert before < 0.85 < DICE < dice(maskOf(outputs.findSegmentation(flair)), plain.brain_mask)
    alignment = logic.report(outputs.findSegmentation(flair))["alignment"]
    assert alignment["moved_mm"] == pytest.approx(np.linalg.norm(shift[:3, 3]), abs=1.0)


def test_a_result_whose_scan_was_moved_since_is_refused(volume, flair, logic):
    result = logic.strip(volume)
    harden(volume, (0, 30, 0))
    with pytest.raises(InputError, match="was moved since"):
        logic.applyTo(result, [flair[0]])


def test_the_study_comes_before_the_scene_and_what_shows_no_brain_is_told(
    scene, volume, head, logic
):
    names = ("in the study", "far away", "of another study")
    nodes = [addVolume(scene, head.array, head.affine, name) for name in names]
    harden(nodes[1], (500, 0, 0))
    result = logic.strip(volume)
    assert [one.volumeNode for one in logic.findOtherScans(result)] == nodes
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    constants = slicer.vtkMRMLSubjectHierarchyConstants
    top = hierarchy.GetSceneItemID()
    studies = [hierarchy.CreateStudyItem(top, name) for name in ("first", "second")]
    assert constants.GetDICOMLevelStudy() == hierarchy.GetItemLevel(studies[0])
    for node, study in zip((volume, *nodes), (0, 0, 0, 1), strict=True):
        hierarchy.CreateItem(studies[study], node)
    others = logic.findOtherScans(result)
    assert [(one.volumeNode, one.share) for one in others] == [(nodes[0], 1.0), (nodes[1], 0.0)]


def test_the_panel_lists_the_others_and_strips_those_that_are_ticked(
    widget, child, scene, head, flair
):
    child(APPLYING)
    addVolume(scene, head.array, head.affine, "T2")
    assert not widget.ui.othersBox.visible
    strip(widget)
    assert widget.ui.othersBox.visible
    table = unwrap(widget.ui.othersTable)
    assert column(widget.ui.othersTable, 0) == ["FLAIR", "T2"]
    assert table.item(0, 0).checkState() == Qt.CheckState.Checked
    table.item(1, 0).setCheckState(Qt.CheckState.Unchecked)
    widget.ui.othersBox.collapsed = False
    click(widget.ui.othersButton)
    assert widget.othersPanel.isRunning
    assert wait_for(lambda: not widget.othersPanel.isRunning)
    assert widget.ui.othersLabel.text == "1 of 1 scans got the mask."
    assert table.item(0, 1).text().startswith("done. look at it")
    assert outputs.findSegmentation(flair[0]) is not None
    assert outputs.findSegmentation(scene.GetFirstNodeByName("T2")) is None
