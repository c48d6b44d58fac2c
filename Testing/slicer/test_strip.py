"""`logic.strip` on a real scene with the trained weights in a real child process."""

import os

import nibabel
import numpy as np
import pytest
import slicer
import slicerio
import vtk

from skullstrip import extract_brain
from SkullStripSlicer import outputs
from SkullStripSlicer.logic import StripLogic
from SkullStripSlicer.segment import readMask
from SkullStripSlicer.volume_node import ijkToRas
from Testing.phantoms import make_head
from Testing.slicer.child_stand_ins import PipeProcess, wait_for
from Testing.slicer.scene import loadVolume
from training.evaluation.metrics import dice

ENGINE = "auto"
AFFINE_TOLERANCE_MM = 1e-5
PHANTOM_DICE = 0.7  # the network has never seen a phantom; far above chance is enough
VOLUME_TOLERANCE_ML = 1e-6

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def oblique_file(tmp_path_factory):
    """An oblique head with voxels of three sizes, in a file, and its true mask."""
    head = make_head("PIR", (1.4, 1.8, 2.6), oblique_degrees=14)
    path = tmp_path_factory.mktemp("scan") / "T1.nii.gz"
    nibabel.save(nibabel.Nifti1Image(head.array, head.affine), path)
    return path, head.brain_mask


@pytest.fixture
def stripped(scene, oblique_file, weights):
    """The scene's volume and its segmentation, stripped with everything on.

    By a process that has served another request before.
    """
    volume = loadVolume(oblique_file[0])
    stages = []
    logic = StripLogic(PipeProcess)
    logic.strip(volume, engine=ENGINE, weights=weights, views=3)
    waiting = logic.children._resting
    segmentation = logic.strip(
        volume, engine=ENGINE, weights=weights, views=1, keep_csf=False, reorient=True, brain=True,
        probability=True, confidence=True, surface=True,
        progress=lambda stage, done, total: stages.append(stage),
    )  # fmt: skip
    assert logic.children._resting is waiting is not None
    logic.children.end()
    return volume, segmentation, stages


def test_one_run_gives_what_the_library_gives_voxel_for_voxel(
    stripped, oblique_file, weights, temporary_files, tmp_path
):
    volume, segmentation, stages = stripped
    array = slicer.util.arrayFromVolume(volume).transpose(2, 1, 0)
    options = {
        "views": 1,
        "keep_csf": False,
        "reorient": True,
        "engine": ENGINE,
        "weights": weights,
    }
    direct = extract_brain(array, ijkToRas(volume), **options)
    mask = readMask(segmentation, outputs.segmentOf(segmentation), volume)

    assert dice(mask, oblique_file[1]) > PHANTOM_DICE
    assert np.array_equal(mask, direct.brain_mask)
    probability = segmentation.GetNodeReference(outputs.PROBABILITY_ROLE)
    found = slicer.util.arrayFromVolume(probability).transpose(2, 1, 0)
    assert np.array_equal(found, direct.brain_probability)
    confidence = segmentation.GetNodeReference(outputs.CONFIDENCE_ROLE)
    found = slicer.util.arrayFromVolume(confidence).transpose(2, 1, 0)
    assert np.array_equal(found, direct.brain_confidence)
    logic = StripLogic(PipeProcess)
    assert logic.volumeMl(segmentation) == pytest.approx(direct.volume_ml, abs=VOLUME_TOLERANCE_ML)
    assert {"load", "prepare", "predict", "restore", "mask"} <= set(stages)
    assert list(temporary_files.iterdir()) == []

    check_nodes(volume, segmentation, mask)
    check_saved_segmentation(segmentation, mask, tmp_path)
    check_saved_scene(volume.GetScene(), logic, mask, tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="asks for a process group")
@pytest.mark.parametrize("stage", ["load", "predict"])
def test_cancel_ends_the_real_network(scene, oblique_file, weights, temporary_files, stage):
    stages = []
    run = StripLogic(PipeProcess).strip(
        loadVolume(oblique_file[0]),
        engine=ENGINE,
        weights=weights,
        progress=lambda name, done, total: stages.append(name),
        finished=lambda run: None,
    )
    assert wait_for(lambda: (run._child._process.pump(), stage in stages)[1])
    run.cancel()
    with pytest.raises(ProcessLookupError):
        os.killpg(run._child._pid, 0)
    assert list(temporary_files.iterdir()) == []


def check_nodes(volume, segmentation, mask):
    """Names, terminology, display, geometry of what was made."""
    assert segmentation.GetName() == "T1 brain"
    segment = segmentation.GetSegmentation().GetNthSegment(0)
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 1
    assert segment.GetName() == "Brain"
    tag = vtk.reference("")
    assert segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), tag)
    assert "SCT^12738006^Brain" in str(tag)
    display = segmentation.GetDisplayNode()
    segment_id = outputs.segmentOf(segmentation)
    assert not display.GetSegmentVisibility2DFill(segment_id)
    assert display.GetSegmentVisibility2DOutline(segment_id)
    assert display.GetVisibility3D()
    surface = vtk.vtkPolyData()
    segmentation.GetClosedSurfaceRepresentation(segment_id, surface)
    assert surface.GetNumberOfPoints() > 1000

    stripped = segmentation.GetNodeReference(outputs.BRAIN_ROLE)
    array = slicer.util.arrayFromVolume(volume).transpose(2, 1, 0)
    found = slicer.util.arrayFromVolume(stripped).transpose(2, 1, 0)
    assert stripped.GetName() == "T1 stripped"
    assert found.dtype == array.dtype
    assert np.array_equal(found, np.where(mask, array, 0))
    assert np.abs(ijkToRas(stripped) - ijkToRas(volume)).max() < AFFINE_TOLERANCE_MM


def check_saved_segmentation(segmentation, mask, folder):
    """`.seg.nrrd` as another program reads it."""
    path = folder / "x.seg.nrrd"
    segmentation.AddDefaultStorageNode()
    storage = segmentation.GetStorageNode()
    storage.SetFileName(str(path))
    assert storage.WriteData(segmentation)
    saved = slicerio.read_segmentation(str(path))
    assert [s["name"] for s in saved["segments"]] == ["Brain"]
    assert saved["segments"][0]["terminology"]["type"][:2] == ["SCT", "12738006"]
    assert np.count_nonzero(saved["voxels"]) == np.count_nonzero(mask)


def check_saved_scene(scene, logic, mask, folder):
    """`.mrb` and back: the border slider works on, with the result's own surface."""
    path = str(folder / "scene.mrb")
    assert scene.WriteToMRB(path, None)
    scene.Clear(0)
    assert scene.ReadFromMRB(path, True)
    segmentation = slicer.util.getNodesByClass("vtkMRMLSegmentationNode", scene)[0]
    volume = outputs.sourceOf(segmentation)
    assert volume.GetName() == "T1"
    read = readMask(segmentation, outputs.segmentOf(segmentation), volume)
    assert np.array_equal(read, mask)
    assert outputs.readState(segmentation)["report"]["weights_sha256"]
    logic.setBorder(segmentation, 3.0)
    wider = readMask(segmentation, outputs.segmentOf(segmentation), volume)
    assert np.count_nonzero(wider) > np.count_nonzero(mask)
    assert np.all(wider[mask])
