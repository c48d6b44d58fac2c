"""Results on a real scene: border, volume, second runs, undo, and what is the user's own.

The child's program is a stand-in (`child_stand_ins.py`); scene, nodes and processes are real.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import slicer
import slicerio

from skullstrip.errors import EngineError, InputError
from skullstrip.mask.postprocess import solid_mask, with_border
from SkullStripSlicer import outputs
from SkullStripSlicer.logic import StripLogic
from SkullStripSlicer.voxels import worldAffine
from Testing.slicer.child_stand_ins import PAUSING, THRESHOLD, logicOf, script_process
from Testing.slicer.scene import (
    addVolume,
    centreMm,
    harden,
    maskOf,
    nodeIds,
    saveAndReload,
    voxelsOf,
)


@pytest.mark.parametrize("border", [-5.0, 0.0, 10.0])
def test_the_border_asked_for_or_set_later_gives_the_librarys_mask_and_its_volume(
    volume, logic, border
):
    array = voxelsOf(volume)
    probability = ((array > 28) & (array < 85)).astype(np.float32)
    wanted = with_border(solid_mask(probability), np.array(volume.GetSpacing()), border)
    segmentation = logic.strip(volume, border_mm=border)
    assert np.array_equal(maskOf(segmentation), wanted)
    logic.setBorder(segmentation, 1.0)
    assert not np.array_equal(maskOf(segmentation), wanted)
    logic.setBorder(segmentation, border)
    assert np.array_equal(maskOf(segmentation), wanted)
    expected_ml = np.count_nonzero(wanted) * np.prod(volume.GetSpacing()) / 1000
    assert logic.volumeMl(segmentation) == pytest.approx(expected_ml, rel=1e-6)


@pytest.mark.parametrize("isKnown", [True, False])
def test_a_second_run_updates_its_own_nodes_and_can_be_undone(volume, scene, logic, isKnown):
    empty = nodeIds(scene)
    segmentation = logic.strip(volume, border_mm=2.0)
    first, state, nodes = maskOf(segmentation), outputs.ownAttributes(segmentation), nodeIds(scene)
    if not isKnown:  # from a file, say
        del segmentation.skullStripMemory
    assert logic.strip(volume, border_mm=-2.0, brain=True, surface=True) is segmentation
    assert not np.array_equal(maskOf(segmentation), first)
    assert len(nodeIds(scene)) > len(nodes)  # the stripped volume

    assert logic.undo(segmentation)

    assert np.array_equal(maskOf(segmentation), first)
    assert outputs.ownAttributes(segmentation) == state
    assert segmentation.GetNodeReference(outputs.BRAIN_ROLE) is None
    if isKnown:
        assert not logic.undo(segmentation)
        assert nodeIds(scene) == empty


def test_a_border_of_a_scene_that_an_earlier_version_saved_is_not_moved(
    volume, scene, logic, tmp_path
):
    segmentation = logic.strip(volume, border_mm=2.0)
    state = outputs.readState(segmentation)
    del state["base"]
    outputs.writeState(segmentation, state, maskOf(segmentation))
    saveAndReload(scene, tmp_path)
    with pytest.raises(InputError, match="for good"):
        logic.setBorder(scene.GetFirstNodeByClass("vtkMRMLSegmentationNode"), 0.0)


def test_volumes_follow_a_second_run_that_did_not_ask_for_them_and_its_undo(volume, scene):
    other = THRESHOLD.replace("> 28", "> 40").replace("0.75", "0.9")
    logic = logicOf(THRESHOLD, other)
    roles = (outputs.BRAIN_ROLE, outputs.PROBABILITY_ROLE, outputs.CONFIDENCE_ROLE)
    segmentation = logic.strip(volume, brain=True, probability=True, confidence=True)
    nodes = [segmentation.GetNodeReference(role) for role in roles]

    assert logic.strip(volume) is segmentation

    assert [segmentation.GetNodeReference(role) for role in roles] == nodes
    scan, (stripped, probability, confidence) = voxelsOf(volume), map(voxelsOf, nodes)
    assert np.array_equal(stripped, np.where(maskOf(segmentation), scan, 0))
    assert np.array_equal(probability == 1, (scan > 40) & (scan < 85))
    assert confidence.max() == np.float32(0.9)
    assert nodes[2].GetName() == "T1 confidence"
    assert nodes[2].GetDisplayNode().GetWindowLevelMax() == 1.0
    logic.undo(segmentation)
    assert voxelsOf(nodes[2]).max() == np.float32(0.75)
    assert np.array_equal(voxelsOf(nodes[0]), np.where(maskOf(segmentation), scan, 0))
    logic.undo(segmentation)
    assert not any(map(scene.IsNodePresent, nodes))


def test_what_undo_keeps_of_a_filled_volume_takes_a_fraction_of_its_memory(scene):
    array = np.zeros((200, 200, 200), np.float32)
    array[50:150, 50:150, 50:150] = 0.75
    node = addVolume(scene, array, np.eye(4))

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    kept = [outputs.KeptVolume(node) for _ in range(4)]
    assert resident() - before < array.nbytes
    assert len(kept) == 4


def test_a_stripped_volume_that_was_edited_is_never_overwritten(volume, logic):
    segmentation = logic.strip(volume, brain=True)
    mine = segmentation.GetNodeReference(outputs.BRAIN_ROLE)
    voxelsOf(mine)[:] = 7
    logic.strip(volume, brain=True)
    assert np.all(voxelsOf(mine) == 7)
    assert segmentation.GetNodeReference(outputs.BRAIN_ROLE) is not mine


def test_a_mask_that_was_edited_without_word_of_it_is_never_overwritten(volume, logic):
    segmentation = logic.strip(volume)
    segmentId = outputs.segmentOf(segmentation)
    voxels = slicer.util.arrayFromSegmentInternalBinaryLabelmap(segmentation, segmentId)
    voxels[: len(voxels) // 2] = 0
    mine = maskOf(segmentation)
    assert logic.strip(volume) is not segmentation
    with pytest.raises(InputError, match="edited"):
        logic.setBorder(segmentation, 2.0)
    assert np.array_equal(maskOf(segmentation), mine)


def test_a_border_moved_after_the_scan_takes_mask_and_maps_along(volume, logic):
    segmentation = logic.strip(volume, brain=True, probability=True)
    mask, before = maskOf(segmentation), centreMm(segmentation)
    harden(volume, (0.0, 30.0, 0.0))
    assert not outputs.isEdited(segmentation)
    logic.setBorder(segmentation, 2.0)
    logic.setBorder(segmentation, 0.0)
    assert np.array_equal(maskOf(segmentation), mask)
    assert centreMm(segmentation) - before == pytest.approx([0.0, 30.0, 0.0], abs=1e-3)
    for role in (outputs.BRAIN_ROLE, outputs.PROBABILITY_ROLE):
        along = segmentation.GetNodeReference(role)
        assert np.allclose(worldAffine(along), worldAffine(volume), atol=1e-4)


def test_a_scan_that_got_other_voxels_is_refused_in_one_sentence(volume, head, logic):
    segmentation = logic.strip(volume)
    slicer.util.updateVolumeFromArray(volume, head.array.transpose(2, 1, 0)[:-4].copy())
    with pytest.raises(InputError, match="other voxels"):
        logic.setBorder(segmentation, 2.0)
    logic.strip(volume)
    assert maskOf(segmentation).shape == volume.GetImageData().GetDimensions()


@pytest.mark.parametrize(
    ("earlier", "broken"),
    [(None, "putInFolderOf"), (None, "fillVolume"), ("known", "fillVolume"),
     ("known", "writeState"), ("loaded", "writeState")],
)  # fmt: skip
def test_a_delivery_that_fails_leaves_the_scene_as_it_was(
    volume, scene, monkeypatch, logic, earlier, broken
):
    named = addVolume(scene, np.ones((2, 2, 2)), np.eye(4), "named")
    if earlier:
        segmentation = logic.strip(volume, border_mm=2.0)
        mask, state = maskOf(segmentation), outputs.ownAttributes(segmentation)
    if earlier == "loaded":
        del segmentation.skullStripMemory
    before = nodeIds(scene)

    def fail(*_):
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(outputs, broken, fail)
        with pytest.raises(EngineError, match=r"put into the scene \(MemoryError: no room\)"):
            logic.strip(volume, border_mm=-1.0, outputProbability=named, brain=True)

    assert nodeIds(scene) == before
    assert np.array_equal(voxelsOf(named), np.ones((2, 2, 2)))
    if earlier:
        assert np.array_equal(maskOf(segmentation), mask)
        assert outputs.ownAttributes(segmentation) == state
        assert segmentation.GetNodeReference(outputs.BRAIN_ROLE) is None
    logic.strip(volume, brain=True)


@pytest.mark.parametrize("name", ["mask.nii.gz", "mask.nrrd", "mask.seg.nrrd"])
def test_a_mask_is_saved_on_the_scans_grid_and_nothing_overwritten_unasked(
    volume, scene, tmp_path, logic, name
):
    segmentation = logic.strip(volume)
    before, path = nodeIds(scene), tmp_path / name
    logic.saveMask(segmentation, path)
    assert nodeIds(scene) == before
    assert segmentation.GetStorageNode() is None
    with pytest.raises(InputError, match="there already"):
        logic.saveMask(segmentation, path)
    with pytest.raises(InputError, match="ends in none"):
        logic.saveMask(segmentation, tmp_path / "mask.jpg")
    if name.endswith(".seg.nrrd"):
        (segment,) = slicerio.read_segmentation(str(path))["segments"]
        assert segment["name"] == "Brain"
        assert segment["terminology"]["type"][:2] == ["SCT", "12738006"]
        return
    node = slicer.modules.volumes.logic().AddArchetypeVolume(str(path), "mask", 1)
    assert np.array_equal(voxelsOf(node), maskOf(segmentation))
    assert np.abs(worldAffine(node) - worldAffine(volume)).max() < 1e-4


def test_nodes_that_the_caller_names_are_used_and_get_back_what_they_held(volume, scene, logic):
    named = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
    named.CreateDefaultDisplayNodes()
    tumour = named.GetSegmentation().AddEmptySegment("", "Tumour")
    roles = {"outputVolume": outputs.BRAIN_ROLE, "outputConfidence": outputs.CONFIDENCE_ROLE}
    held = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    targets = {name: addVolume(scene, held, np.diag([1, 2, 3, 1]), name) for name in roles}
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")

    assert (
        logic.strip(volume, outputSegmentation=named, outputProbability=empty, **targets) is named
    )

    assert named.GetSegmentation().GetNumberOfSegments() == 2
    for name, role in roles.items():
        assert named.GetNodeReference(role) is targets[name]
        assert voxelsOf(targets[name]).shape == volume.GetImageData().GetDimensions()
    slicer.util.arrayFromVolume(targets["outputVolume"])[:] = 7  # by the user
    logic.undo(named)
    assert named.GetSegmentation().GetNumberOfSegments() == 1
    assert named.GetSegmentation().GetSegment(tumour) is not None
    assert empty.GetImageData() is None
    assert np.all(voxelsOf(targets["outputVolume"]) == 7)
    assert not any(map(named.GetNodeReference, roles.values()))
    brought = targets["outputConfidence"]
    assert np.array_equal(voxelsOf(brought), held)
    assert brought.GetSpacing() == (1.0, 2.0, 3.0)
    assert brought.GetDisplayNode().GetAutoWindowLevel()
    assert not outputs.isOurs(brought)


def test_what_is_set_while_a_second_run_is_on_counts_for_its_result(volume, tmp_path):
    logic = StripLogic(script_process(PAUSING))
    go = tmp_path / "go"
    go.touch()
    segmentation = logic.strip(volume, weights=str(go))
    go.unlink()
    run = logic.strip(volume, weights=str(go), border_mm=1.0, finished=lambda _: None)
    logic.setBorder(segmentation, 3.0)
    logic.setInvert(segmentation, True)
    wanted, go = maskOf(segmentation), go.touch()
    run.wait()
    assert outputs.readState(segmentation)["borderMm"] == 3.0
    assert np.array_equal(maskOf(segmentation), wanted)
    stripped = segmentation.GetNodeReference(outputs.BRAIN_ROLE)
    assert np.array_equal(voxelsOf(stripped), np.where(wanted, 0, voxelsOf(volume)))


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"outputVolume": "scan"}, "the scan itself"),
        ({"outputConfidence": "scan"}, "the scan itself"),
        ({"outputVolume": "free", "outputProbability": "free"}, "chosen for two outputs"),
        ({"outputSegmentation": "free"}, "not a segmentation"),
        ({"outputVolume": "labels"}, "not a scalar volume"),
        ({"outputVolume": "removed"}, "not in the scan's scene"),
    ],
)
def test_an_output_that_is_the_scan_or_another_output_is_refused(
    volume, scene, logic, chosen, words
):
    nodes = {
        "scan": volume,
        "free": scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "free"),
        "labels": scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels"),
        "removed": scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "removed"),
    }
    scene.RemoveNode(nodes["removed"])
    before, voxels = nodeIds(scene), voxelsOf(volume).copy()
    with pytest.raises(InputError, match=words):
        logic.strip(volume, **{name: nodes[node] for name, node in chosen.items()})
    assert nodeIds(scene) == before
    assert np.array_equal(voxelsOf(volume), voxels)


def test_an_earlier_results_volumes_are_never_the_scan_or_shared(volume, scene, head, logic):
    """A segmentation may be given for another scan, and its map for another role."""
    second = addVolume(scene, head.array, head.affine, "second")
    segmentation = logic.strip(volume, outputVolume=second)
    voxels = voxelsOf(second).copy()
    logic.strip(second, outputSegmentation=segmentation, probability=True, invert=True)
    assert np.array_equal(voxelsOf(second), voxels)
    shared = segmentation.GetNodeReference(outputs.PROBABILITY_ROLE)
    logic.strip(second, outputSegmentation=segmentation, outputVolume=shared)
    assert segmentation.GetNodeReference(outputs.BRAIN_ROLE) is shared
    assert segmentation.GetNodeReference(outputs.PROBABILITY_ROLE) is not shared


def test_what_is_no_scalar_volume_is_refused(scene, logic):
    with pytest.raises(InputError, match="No volume"):
        logic.strip(None)
    for kind in ("vtkMRMLLabelMapVolumeNode", "vtkMRMLScalarVolumeNode", "vtkMRMLModelNode"):
        with pytest.raises(InputError, match=r"not a scalar|holds no voxels"):
            logic.strip(scene.AddNewNodeByClass(kind, "x"))
