"""A batch looked through in the panel: corrected, saved, decided, and nothing lost on the way.

Real: the folder of the batch, the files, the scene, the nodes, the editor's node and undo.
Stand-ins are the widgets, and who answers what the panel asks.
"""

import csv

import nibabel
import numpy as np
import pytest
import slicer
from PySide6 import QtCore, QtTest, QtWidgets

from skullstrip.batch.tables import read_decisions
from SkullStripSlicer.voxels import ijkToRas
from Testing.phantoms import make_head
from Testing.programs import run_program
from Testing.reviewed_batch import REASON, make_batch
from Testing.slicer.panel_fixtures import click, enter, leave, wait_for
from Testing.slicer.pythonqt import unwrap
from Testing.slicer.scene import addVolume, nodeIds, paint


@pytest.fixture
def table(tmp_path):
    return make_batch(tmp_path)


@pytest.fixture
def panel(makeWidget, table, scene, monkeypatch):
    """The panel, its review begun; `panel.asked` gets the questions, `panel.answers` is said."""
    view = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    view.SetLayoutName("Red")
    return begin(makeWidget(), table, monkeypatch)


def begin(panel, table, monkeypatch):
    import qt

    panel.asked, panel.answers = [], []

    def answer(text, *, standardButtons, windowTitle):
        if not slicer.util.mainWindow().visible:
            return 0  # Slicer ends: at once, with nothing shown
        assert panel.answers, text
        panel.asked.append((text, bool(standardButtons & qt.QMessageBox.Cancel)))
        return getattr(qt.QMessageBox, panel.answers.pop(0))

    monkeypatch.setattr(slicer.util, "messageBox", answer)
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", lambda *_: str(table))
    panel.ui.batchBox.collapsed = False
    click(panel.ui.reviewButton)
    return panel


def test_the_buttons_are_in_view_below_a_result_with_warnings(makeWidget, table, monkeypatch):
    panel = makeWidget()
    panel.area = area = QtWidgets.QScrollArea()
    area.setWidgetResizable(True)
    area.setWidget(unwrap(panel.parent))
    area.resize(420, 400)
    area.show()
    begin(panel, table, monkeypatch)
    assert wait_for(lambda: REASON in panel.ui.warningLabel.text)
    button = unwrap(panel.ui.acceptButton)
    assert wait_for(lambda: not button.visibleRegion().isEmpty(), seconds=5)


LAYERS = ("Background", "Foreground", "Label")


def segmentation(panel):
    return panel.reviewPanel._scan.segmentation


def correct(panel):
    """Paint in the editor; returns the mask, shape (I, J, K)."""
    unwrap(panel.ui.reviewEditor).saveStateForUndo()
    return paint(segmentation(panel))


def saved(table, name="deep/c"):
    """The voxels of a mask's file."""
    return np.asarray(nibabel.load(table.parent / f"{name}_brain_mask.nii.gz").dataobj)


def masks(table):
    return {path.name: path.read_bytes() for path in table.parent.rglob("*_brain_mask.nii.gz")}


def press(panel, key, label):
    """A key of the keyboard, with Alt, which leads to what the panel then says."""
    parent = unwrap(panel.parent)
    parent.activateWindow()
    slicer.app.processEvents()
    code, alt = getattr(QtCore.Qt.Key, f"Key_{key}"), QtCore.Qt.KeyboardModifier.AltModifier
    QtTest.QTest.keyClick(parent, code, alt)
    assert wait_for(lambda: panel.ui.reviewLabel.text == label), panel.ui.reviewLabel.text


def test_a_batch_is_looked_through_scan_by_scan(panel, table):
    ui = panel.ui
    assert ui.reviewLabel.text == "1 of 2: deep/c (fail). 0 done."
    shown = segmentation(panel)
    head = make_head("LAS", (5.0, 5.5, 6.0), oblique_degrees=10)
    scan = nibabel.load(table.parents[1] / "in" / "deep" / "c.nii.gz")
    volume = panel._parameterNode.inputVolume
    assert np.array_equal(slicer.util.arrayFromVolume(volume).T, np.asarray(scan.dataobj))
    np.testing.assert_allclose(ijkToRas(volume), scan.affine, atol=1e-6)
    assert np.array_equal(panel.reviewPanel._scan.mask(), head.brain_mask)
    assert wait_for(lambda: REASON in ui.warningLabel.text)  # in the result's own part
    assert ui.resultLabel.text.endswith("Do not use it as it is.")
    assert (ui.progressLabel.text, ui.previousButton.enabled) == ("", False)
    ui.raterEdit.text = "Ann"
    press(panel, "N", "2 of 2: b (check). 0 done.")
    assert (shown.GetScene(), ui.reviewNotice.text) == (None, "")
    place = slicer.util.getNode("vtkMRMLSliceNode*").GetSliceToRAS()
    assert [round(place.GetElement(axis, 3), 3) for axis in range(3)] == [-4.5, 10.0, 12.0]
    press(panel, "P", "1 of 2: deep/c (fail). 0 done.")
    press(panel, "R", "2 of 2: b (check). 0 done.")
    press(panel, "A", "2 of 2: b (check, accepted). 1 done.")
    assert "No scan after this one" in ui.reviewNotice.text
    assert read_decisions(table.parent / "decisions.csv") == {"deep/c": "reject", "b": "accept"}
    assert panel.asked == []


def test_a_correction_is_saved_where_the_batch_keeps_the_mask(panel, table, scene):
    before = masks(table)
    mask = correct(panel)
    assert wait_for(lambda: "Edited by hand" in panel.ui.resultLabel.text)
    panel.ui.borderSlider.value = 1.0
    assert "save the correction first" in panel.ui.resultNotice.text
    press(panel, "S", "1 of 2: deep/c (corrected by hand). 1 done.")
    path = table.parent / "deep" / "c_brain_mask.nii.gz"
    written, scan = nibabel.load(path), nibabel.load(table.parents[1] / "in" / "deep" / "c.nii.gz")
    assert np.array_equal(np.asarray(written.dataobj), mask)
    assert written.get_sform().tobytes() == scan.get_sform().tobytes()
    assert {name for name, data in masks(table).items() if data != before[name]} == {path.name}
    assert str(path) in panel.ui.reviewNotice.text
    click(panel.ui.correctionButton)
    assert "as it lies in its file" in panel.ui.reviewNotice.text
    panel.ui.borderSlider.value = -4.0  # moves on from what was painted
    assert panel.reviewPanel._scan.isUnsaved
    panel.ui.borderSlider.value = 0.0
    assert np.array_equal(panel.reviewPanel._scan.mask(), mask)
    click(panel.ui.reviewButton)
    assert not panel.ui.reviewBox.visible
    assert slicer.util.mainWindow().close()


def test_what_is_not_saved_nor_undone_is_asked_about_before_anything_goes_on(panel, table):
    correct(panel)
    unwrap(panel.ui.reviewEditor).undo()
    click(panel.ui.nextButton)
    assert (panel.ui.reviewLabel.text[:6], panel.asked) == ("2 of 2", [])
    click(panel.ui.previousButton)
    before, correction = masks(table), correct(panel)
    panel.answers = ["Cancel"] * 4
    for button in ("next", "accept", "reject", "review"):
        click(getattr(panel.ui, f"{button}Button"))
    assert [canStay for _, canStay in panel.asked] == [True] * 4
    assert "'deep/c' is not saved" in panel.asked[0][0]
    assert np.array_equal(panel.reviewPanel._scan.mask(), correction)
    assert not (table.parent / "decisions.csv").exists()
    panel.answers = ["Discard"]
    click(panel.ui.nextButton)
    assert (panel.ui.reviewLabel.text[:9], masks(table)) == ("2 of 2: b", before)
    correction = correct(panel)
    panel.answers = ["Save"]
    click(panel.ui.previousButton)
    assert np.array_equal(saved(table, "b"), correction)
    assert panel.ui.reviewLabel.text == "1 of 2: deep/c (fail). 1 done."


@pytest.mark.parametrize("ending", ["scene", "panel", "Slicer"])
def test_a_correction_outlives_the_end_of_scene_panel_and_slicer(panel, table, scene, ending):
    correction = correct(panel)
    panel.answers = ["Save"]
    ends = {"scene": lambda: scene.Clear(0), "panel": panel.cleanup, "Slicer": lambda: end(panel)}
    ends[ending]()
    assert [canStay for _, canStay in panel.asked] == [ending == "Slicer"]
    assert np.array_equal(saved(table), correction)
    assert not panel.ui.reviewBox.visible


def end(panel):
    """End Slicer, unless the main window stays open."""
    isClosed = slicer.util.mainWindow().close()
    if isClosed:
        leave(panel)
        panel.cleanup()
    return isClosed


def test_a_correction_is_asked_about_once_before_slicer_ends(panel, table):
    before, correction = masks(table), correct(panel)
    panel.answers = ["Cancel"]
    assert not end(panel)
    assert slicer.util.mainWindow().visible
    assert np.array_equal(panel.reviewPanel._scan.mask(), correction)
    panel.answers = ["Discard"]
    assert end(panel)
    assert [canStay for _, canStay in panel.asked] == [True] * 2
    assert masks(table) == before


def test_what_was_let_go_is_asked_about_again_where_slicer_stays(panel):
    correct(panel)
    panel.answers = ["Discard", "Discard"]
    assert panel.reviewPanel._onExit()  # and Slicer's own question after ours says no
    panel.cleanup()
    assert [canStay for _, canStay in panel.asked] == [True, False]


@pytest.mark.parametrize("isChanged", [False, True])
def test_a_correction_is_saved_where_nobody_can_be_asked(panel, table, caplog, isChanged):
    correction = correct(panel)
    path = table.parent / "deep" / "c_brain_mask.nii.gz"
    if isChanged:
        path.write_bytes(b"by a colleague")
    slicer.util.mainWindow().hide()
    panel.cleanup()
    if isChanged:
        assert path.read_bytes() == b"by a colleague"
        assert "was changed by somebody else" in caplog.text
    else:
        assert np.array_equal(saved(table), correction)
        assert f"saved {path}" in caplog.text
    assert (panel.asked, panel.reviewPanel._review) == ([], None)


def test_a_correction_that_cannot_be_written_is_asked_about_again_with_the_reason(panel, table):
    correct(panel)
    path = table.parent / "deep" / "c_brain_mask.nii.gz"
    path.write_bytes(b"by a colleague")
    panel.answers = ["Save", "Discard"]
    click(panel.ui.nextButton)
    assert "was changed by somebody else" in panel.asked[1][0]
    assert "'deep/c' is not saved" in panel.asked[1][0]
    assert path.read_bytes() == b"by a colleague"


def test_a_scan_is_shown_alone_and_the_views_as_they_were_come_back(
    makeWidget, table, scene, volume, logic, monkeypatch
):
    """The masks of other results, a label map and a volume laid over would be drawn over it."""
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    over = addVolume(scene, np.ones((4, 4, 4)), np.eye(4), "over")
    view = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    view.SetForegroundVolumeID(over.GetID())
    view.SetLabelVolumeID(labels.GetID())
    head = make_head("RAS", (5.0, 5.0, 5.0))
    another = addVolume(scene, head.array, head.affine, "another")
    others = [logic.strip(volume), logic.strip(another)]
    others[1].GetDisplayNode().SetVisibility(False)  # by the user

    def layers():
        return [getattr(view, f"Get{name}VolumeID")() for name in LAYERS]

    before = layers()
    panel = begin(makeWidget(), table, monkeypatch)
    for _ in range(2):
        scan = panel._parameterNode.inputVolume.GetID()
        assert layers() == [scan, None, None]
        shown = [segmentation(panel), *others]
        assert [each.GetDisplayNode().GetVisibility() for each in shown] == [1, 0, 0]
        click(panel.ui.nextButton)
    click(panel.ui.reviewButton)
    assert layers() == before
    assert [each.GetDisplayNode().GetVisibility() for each in others] == [1, 0]


def test_clicks_correct_a_mask_and_their_points_go_with_it(panel, scene):
    click(panel.ui.clickButton)
    points = scene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode")
    points.AddControlPointWorld(0.0, 8.0, 71.0)  # in the skull above the brain
    assert wait_for(lambda: panel.reviewPanel._scan.isUnsaved)
    panel.answers = ["Discard"]
    click(panel.ui.nextButton)
    assert not scene.IsNodePresent(points)


def test_a_segment_that_was_removed_is_a_change_that_cannot_be_saved(panel, table):
    before = masks(table)
    segmentation(panel).GetSegmentation().RemoveAllSegments()
    click(panel.ui.correctionButton)
    assert "The segment 'Brain' is gone" in panel.ui.reviewNotice.text
    panel.answers = ["Discard"]
    click(panel.ui.nextButton)
    assert masks(table) == before


def test_a_scan_that_is_gone_is_one_sentence_and_next_goes_on(panel, table):
    (table.parents[1] / "in" / "b.nii.gz").rename(table.parents[1] / "in" / "moved.nii.gz")
    click(panel.ui.nextButton)
    assert panel.ui.reviewLabel.text == "2 of 2: b (check). 0 done."
    assert "b.nii.gz does not exist" in panel.ui.reviewNotice.text
    click(panel.ui.correctionButton)
    click(panel.ui.previousButton)
    assert panel.ui.reviewLabel.text == "1 of 2: deep/c (fail). 0 done."
    assert panel.ui.reviewNotice.text == ""


def test_the_review_begins_where_it_was_left_and_leaves_nothing_in_the_scene(
    panel, table, scene, makeWidget, monkeypatch
):
    panel.ui.raterEdit.text = "Ann"
    unwrap(panel.ui.raterEdit).editingFinished.emit()
    correct(panel)
    click(panel.ui.correctionButton)
    click(panel.ui.reviewButton)
    assert not unwrap(panel.ui.reviewEditor).hasShortcuts
    left = {scene.GetNodeByID(each).GetClassName() for each in nodeIds(scene)}
    assert not {"vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode"} & left
    panel = begin(makeWidget(), table, monkeypatch)
    assert panel.ui.reviewLabel.text == "2 of 2: b (check). 1 done."
    click(panel.ui.acceptButton)
    with (table.parent / "decisions.csv").open(newline="") as stream:
        assert [row["rater"] for row in csv.DictReader(stream)] == ["Ann"]


def test_the_editor_lets_mouse_and_keys_go_while_another_module_is_open(panel):
    editor = unwrap(panel.ui.reviewEditor)
    editor.setActiveEffectByName("Paint")
    correction = correct(panel)
    leave(panel)
    assert editor.activeEffectName is None
    assert not editor.observesViews
    assert not editor.hasShortcuts
    enter(panel)
    assert editor.hasShortcuts
    assert np.array_equal(panel.reviewPanel._scan.mask(), correction)
    panel.answers = ["Discard"]


@pytest.mark.slow
def test_a_correction_outlives_every_further_run_of_the_real_batch(
    makeWidget, scene, tmp_path, pythonForBatches, monkeypatch
):
    out, decisions = tmp_path / "out", tmp_path / "out" / "decisions.csv"
    head = make_head("LAS", (2.5, 2.5, 2.5), oblique_degrees=8)
    (tmp_path / "in").mkdir()
    nibabel.save(nibabel.Nifti1Image(head.array, head.affine), tmp_path / "in" / "T1.nii.gz")

    def batch(*words):
        command = (pythonForBatches, "-m", "skullstrip.cli.main", "batch")
        run_program(*command, tmp_path / "in", out, "--jobs", "1", *words, check=True)
        with (out / "results.csv").open(newline="") as stream:
            return next(csv.DictReader(stream))

    assert batch()["status"] == "done"
    decisions.write_text("name,path,decision\nT1,,reject\n")  # by the page
    panel = begin(makeWidget(), out / "results.csv", monkeypatch)
    assert "rejected" in panel.ui.reviewLabel.text
    corrected = correct(panel)
    click(panel.ui.correctionButton)
    assert read_decisions(decisions) == {}
    by_hand = masks(out / "results.csv")
    for words in ([], ["--border", "2"], ["--redo", "check"], ["--redo", "rejected"]):
        row = batch(*words)
        assert (row["status"], row["verdict"], row["places"]) == ("corrected", "", "")
        assert float(row["volume_ml"]) == pytest.approx(corrected.sum() * 2.5**3 / 1000, rel=1e-5)
        assert masks(out / "results.csv") == by_hand
    assert row["volume_ml"] in (out / "report.html").read_text()
    click(panel.ui.acceptButton)
    click(panel.ui.reviewButton)
    begin(panel, out / "results.csv", monkeypatch)
    assert panel.ui.reviewLabel.text == "1 of 1: T1 (corrected by hand, accepted). 1 done."
