"""`logic.strip` on a real scene with the trained weights in a real child process."""

import os

import nibabel
import numpy as np
import pytest
import slicer
import vtk

from skullstrip import extract_brain
from skullstrip.grid.regions import dice
from SkullStripSlicer import outputs
from SkullStripSlicer.logic import StripLogic
from SkullStripSlicer.voxels import ijkToRas
from Testing.phantoms import make_head
from Testing.slicer.child_stand_ins import wait_for
from Testing.slicer.scene import loadVolume, maskOf, voxelsOf

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


def test_one_run_gives_what_the_library_gives_voxel_for_voxel(
    scene, oblique_file, child, temporary_files
):
    """With everything on, by a process that has served another request before."""
    child(None)
    volume, logic, stages = loadVolume(oblique_file[0]), StripLogic(), []
    logic.strip(volume, views=3)
    waiting = logic.children._resting
    options = {"views": 1, "keep_csf": False, "reorient": True}
    segmentation = logic.strip(
        volume, brain=True, probability=True, confidence=True, surface=True,
        progress=lambda stage, done, total: stages.append(stage), **options,
    )  # fmt: skip
    assert logic.children._resting is waiting is not None
    logic.children.end()

    direct = extract_brain(voxelsOf(volume), ijkToRas(volume), **options)
    mask = maskOf(segmentation)
    assert dice(mask, oblique_file[1]) > PHANTOM_DICE
    assert np.array_equal(mask, direct.brain_mask)
    probability = segmentation.GetNodeReference(outputs.PROBABILITY_ROLE)
    assert np.array_equal(voxelsOf(probability), direct.brain_probability)
    confidence = segmentation.GetNodeReference(outputs.CONFIDENCE_ROLE)
    assert np.array_equal(voxelsOf(confidence), direct.brain_confidence)
    assert logic.volumeMl(segmentation) == pytest.approx(direct.volume_ml, abs=VOLUME_TOLERANCE_ML)
    assert logic.report(segmentation)["weights_sha256"]
    assert {"load", "prepare", "predict", "restore", "mask"} <= set(stages)
    assert list(temporary_files.iterdir()) == []
    check_nodes(volume, segmentation, mask)


@pytest.mark.skipif(os.name == "nt", reason="asks for a process group")
@pytest.mark.parametrize("stage", ["load", "predict"])
def test_cancel_ends_the_real_network(scene, oblique_file, child, temporary_files, stage):
    child(None)
    stages = []
    run = StripLogic().strip(
        loadVolume(oblique_file[0]),
        progress=lambda name, done, total: stages.append(name),
        finished=lambda run: None,
    )
    assert wait_for(lambda: stage in stages)
    run.cancel()
    with pytest.raises(ProcessLookupError):
        os.killpg(run._pid, 0)
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
    array, found = voxelsOf(volume), voxelsOf(stripped)
    assert stripped.GetName() == "T1 stripped"
    assert found.dtype == array.dtype
    assert np.array_equal(found, np.where(mask, array, 0))
    assert np.abs(ijkToRas(stripped) - ijkToRas(volume)).max() < AFFINE_TOLERANCE_MM
