"""Our files as VTK and Slicer's own readers (GDCM, through MRML) see them: surfaces and DICOM.

The wheel has no dcmqi, by which Slicer's extension QuantitativeReporting makes segments of a DICOM
Segmentation, so it is read as a labelmap volume, and that imported into a segmentation.
"""

import numpy as np
import pytest
import slicer
import vtk

from skullstrip.io.images import read_image
from skullstrip.mask.surface import mask_surface, write_surface
from SkullStripSlicer.voxels import ijkToRas, readMask, volumeFromNode
from Testing.phantoms import BRAIN_VOLUME_ML, make_head

VOLUME_TOLERANCE = 0.01
PLACE_TOLERANCE_MM = 1.0
DICOM_PLACE_MM = 1e-3


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".vtp"])
def test_slicer_shows_one_closed_surface_of_the_brains_volume_where_the_brain_is(
    scene, tmp_path, suffix
):
    head = make_head("LPS", (2.0, 2.0, 2.0))
    away = head.affine.copy()
    away[:3, 3] += (30.0, -50.0, 70.0)  # far from the origin, so that LPS would be elsewhere
    surface = mask_surface(head.brain_mask, away)
    path = tmp_path / f"brain{suffix}"
    write_surface(path, surface)
    node = scene.AddNewNodeByClass("vtkMRMLModelNode")
    storage = scene.AddNewNodeByClass("vtkMRMLModelStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(node) == 1
    found = node.GetPolyData()
    assert found.GetNumberOfPolys() == len(surface.triangles)
    edges = vtk.vtkFeatureEdges()  # open edges and those of more than two triangles
    edges.SetInputData(found)
    edges.ManifoldEdgesOff()
    edges.FeatureEdgesOff()
    edges.Update()
    assert edges.GetOutput().GetNumberOfCells() == 0
    properties = vtk.vtkMassProperties()
    properties.SetInputData(found)
    properties.Update()
    assert properties.GetVolume() / 1000 == pytest.approx(BRAIN_VOLUME_ML, rel=VOLUME_TOLERANCE)
    np.testing.assert_allclose(found.GetCenter(), (30.0, -50.0, 70.0), atol=PLACE_TOLERANCE_MM)


def load(scene, files, kind="vtkMRMLScalarVolumeNode"):
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(files[0]))
    storage.SetSingleFile(0)
    for file in files:
        storage.AddFileName(str(file))
    node = scene.AddNewNodeByClass(kind)
    assert storage.ReadData(node)
    return node


@pytest.mark.parametrize("made", ["axial", "sagittal", "oblique"])
@pytest.mark.parametrize("kind", ["classic", "enhanced"])
def test_slicer_sees_series_and_segmentation_where_we_do(scene, tmp_path, made, kind):
    pytest.importorskip("highdicom")
    from skullstrip.io.dicom_seg import write_segmentation
    from Testing import dicom_files as dicom

    array, place = dicom.voxels(), getattr(dicom, made)()
    series = dicom.datasets(array, place) if kind == "classic" else [dicom.enhanced(array, place)]
    folder = dicom.save(tmp_path / "s", series)
    image = read_image(folder)
    mask = np.zeros(array.shape, bool)
    mask[4:17, 3:11, 2:9] = array[4:17, 3:11, 2:9] > 300
    write_segmentation(tmp_path / "brain.dcm", image.header, mask, {})
    scan = load(scene, sorted(folder.iterdir()))
    np.testing.assert_allclose(ijkToRas(scan), image.affine, atol=DICOM_PLACE_MM)
    np.testing.assert_array_equal(volumeFromNode(scan).array, image.array)
    label = load(scene, [tmp_path / "brain.dcm"], "vtkMRMLLabelMapVolumeNode")
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.ImportLabelmapToSegmentationNode(label, segmentation)
    segment = segmentation.GetSegmentation().GetNthSegmentID(0)
    np.testing.assert_array_equal(readMask(segmentation, segment, scan), mask)
