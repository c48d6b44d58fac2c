"""Series and segmentation as Slicer's own readers (GDCM, through MRML) see them.

The wheel has no dcmqi, by which Slicer's extension QuantitativeReporting makes segments of a DICOM
Segmentation, so it is read as a labelmap volume, and that imported into a segmentation.
"""

import numpy as np
import pytest
import slicer

pytest.importorskip("highdicom")

from skullstrip.io.dicom_seg import write_segmentation
from skullstrip.io.images import read_image
from SkullStripSlicer.segment import readMask
from SkullStripSlicer.volume_node import ijkToRas, volumeFromNode
from Testing import dicom_files as dicom

PLACE_MM = 1e-3


def load(scene, files, kind="vtkMRMLScalarVolumeNode"):
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(files[0]))
    storage.SetSingleFile(0)
    for file in files:
        storage.AddFileName(str(file))
    node = scene.AddNewNodeByClass(kind)
    assert storage.ReadData(node)
    return node


@pytest.mark.parametrize("made", [dicom.axial, dicom.sagittal, dicom.oblique])
@pytest.mark.parametrize("kind", ["classic", "enhanced"])
def test_slicer_sees_series_and_segmentation_where_we_do(scene, tmp_path, made, kind):
    array = dicom.voxels()
    series = dicom.datasets(array, made()) if kind == "classic" else [dicom.enhanced(array, made())]
    folder = dicom.save(tmp_path / "s", series)
    image = read_image(folder)
    mask = np.zeros(array.shape, bool)
    mask[4:17, 3:11, 2:9] = array[4:17, 3:11, 2:9] > 300
    write_segmentation(tmp_path / "brain.dcm", image.header, mask, {})
    scan = load(scene, sorted(folder.iterdir()))
    np.testing.assert_allclose(ijkToRas(scan), image.affine, atol=PLACE_MM)
    np.testing.assert_array_equal(volumeFromNode(scan).array, image.array)
    label = load(scene, [tmp_path / "brain.dcm"], "vtkMRMLLabelMapVolumeNode")
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.ImportLabelmapToSegmentationNode(label, segmentation)
    segment = segmentation.GetSegmentation().GetNthSegmentID(0)
    np.testing.assert_array_equal(readMask(segmentation, segment, scan), mask)
