"""Voxels of nodes: a volume as the library's `Volume`, and its checks; a segment "Brain"."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from skullstrip.checks.input_checks import Check, check_input
from skullstrip.errors import InputError
from skullstrip.grid.volume import Volume

SCALAR = "vtkMRMLScalarVolumeNode"
SEGMENT_NAME = "Brain"
# They stand out from grey slices and from each other; amber first.
COLORS = (
    (1.0, 0.66, 0.30),
    (0.30, 0.80, 1.0),
    (1.0, 0.45, 0.75),
    (0.55, 0.90, 0.30),
    (0.75, 0.60, 1.0),
    (1.0, 0.95, 0.35),
    (0.25, 0.90, 0.70),
    (1.0, 0.45, 0.40),
)
OUTLINE_WIDTH = 2
ALGORITHM_TYPE = "DICOM.SegmentAlgorithmType"  # MANUAL for Slicer's export, unless set
TERMINOLOGY = (
    "Segmentation category and type - DICOM master list"
    "~SCT^123037004^Anatomical Structure~SCT^12738006^Brain~^^"
    "~Anatomic codes - DICOM master list~^^~^^"
)


def volumeFromNode(volumeNode) -> Volume:
    """Return voxels (I, J, K), a view of the node's, and their affine to world RAS in mm.

    Raises InputError for anything but a plain 3-D scalar volume.
    """
    requireScalarVolume(volumeNode)
    array = slicer.util.arrayFromVolume(volumeNode).transpose(2, 1, 0)
    return Volume(array, worldAffine(volumeNode))


def requireScalarVolume(volumeNode) -> None:
    """Raise InputError for anything but one value per voxel of a loaded image."""
    if volumeNode is None:
        raise InputError("No volume is chosen; load an MRI of the head.")
    name = volumeNode.GetName()
    if not volumeNode.IsA(SCALAR) or volumeNode.IsA("vtkMRMLLabelMapVolumeNode"):
        kind = volumeNode.GetNodeTagName()
        raise InputError(f"'{name}' is a {kind}, not a scalar volume; choose an MRI of the head.")
    image = volumeNode.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:  # or not yet, while it is filled
        raise InputError(f"'{name}' holds no voxels; load it again.")
    components = image.GetNumberOfScalarComponents()
    if components != 1:
        raise InputError(
            f"'{name}' has {components} values per voxel; choose a volume with a single one."
        )


def localPosition(node, positionWorld) -> tuple[float, float, float]:
    """Return a position of the world as seen under a node's parent transforms, warping too."""
    position = [0.0, 0.0, 0.0]
    node.TransformPointFromWorld(positionWorld, position)
    return position[0], position[1], position[2]


def requireUnwarped(volumeNode) -> None:
    """Raise InputError for a volume under a transform that no matrix describes."""
    transform = volumeNode.GetParentTransformNode()
    if transform is not None and not transform.IsTransformToWorldLinear():
        raise InputError(f"'{volumeNode.GetName()}' is warped by a transform; harden it first.")


def ijkToRas(volumeNode) -> np.ndarray:
    """Return the node's own voxel index to RAS matrix, float64 (4, 4), without its parents'."""
    return slicer.util.arrayFromVTKMatrix(ijkToRasMatrix(volumeNode))


def ijkToRasMatrix(volumeNode) -> vtk.vtkMatrix4x4:
    """Return the same as VTK has it."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return matrix


def worldAffine(volumeNode) -> np.ndarray:
    """Voxel index to world RAS, float64 (4, 4); a warping parent transform is left out."""
    return toWorld(volumeNode) @ ijkToRas(volumeNode)


def toWorld(node) -> np.ndarray:
    """Return a node's parent transforms as one matrix, float64 (4, 4); none if they warp."""
    transform, matrix = node.GetParentTransformNode(), vtk.vtkMatrix4x4()
    if transform is not None and transform.IsTransformToWorldLinear():
        transform.GetMatrixTransformToWorld(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def inspectVolume(volumeNode) -> tuple[Check, ...]:
    """Return what is noticed of a volume before a run; a refusal stands alone."""
    try:
        volume = volumeFromNode(volumeNode)
        return check_input(volume.array, volume.affine)
    except InputError as error:
        return (Check("refused", "refuse", str(error)),)


def freeColor(scene) -> tuple[float, float, float]:
    """Return the colour that the fewest segments of a scene have, so that outlines differ."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode", scene)
    segmentations = [node.GetSegmentation() for node in nodes]
    used = [
        segmentation.GetNthSegment(place).GetColor()
        for segmentation in segmentations
        for place in range(segmentation.GetNumberOfSegments())
    ]
    return min(COLORS, key=lambda color: sum(np.allclose(color, one, atol=0.01) for one in used))


def addBrainSegment(segmentationNode, color: tuple[float, ...], segmentId: str = "") -> str:
    """Add an empty segment "Brain" beside those that are there, and return its id."""
    segmentation = segmentationNode.GetSegmentation()
    segmentId = segmentation.AddEmptySegment(segmentId, SEGMENT_NAME, color)
    segment = segmentation.GetSegment(segmentId)
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), TERMINOLOGY)
    segment.SetTag(ALGORITHM_TYPE, "AUTOMATIC")
    segment.SetTag("DICOM.SegmentAlgorithmName", "SkullStrip")
    return segmentId


def showAsOutline(segmentationNode, segmentId: str) -> None:
    """Outline in slice views, nothing filled."""
    segmentationNode.CreateDefaultDisplayNodes()
    display = segmentationNode.GetDisplayNode()
    display.SetSegmentVisibility2DFill(segmentId, False)
    display.SetSegmentVisibility2DOutline(segmentId, True)
    display.SetSliceIntersectionThickness(OUTLINE_WIDTH)


def writeMask(segmentationNode, segmentId: str | None, volumeNode, mask: np.ndarray, box) -> None:
    """Replace a segment's voxels by a mask (IJK) that lies in a box, three slices, of the volume.

    Only the box is handed over, which is what makes the border slider quick.
    """
    labelmap = _grid(volumeNode)
    labelmap.SetExtent(*(edge for part in box for edge in (part.start, part.stop - 1)))
    labelmap.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    scalars = vtk_to_numpy(labelmap.GetPointData().GetScalars())
    scalars.reshape(mask.shape[::-1])[:] = mask.transpose(2, 1, 0)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(
        labelmap, segmentationNode, segmentId, logic.MODE_REPLACE, labelmap.GetExtent()
    )


def readMask(segmentationNode, segmentId: str | None, volumeNode=None) -> np.ndarray:
    """Return a segment's voxels, bool, shape (I, J, K), on the grid of a volume.

    By default on the grid that the segment was written on, which stays where it is when the scan
    is moved. No node is made on the way, unlike in `slicer.util.arrayFromSegmentBinaryLabelmap`, so
    that nobody who observes the scene is woken.
    """
    grid = ownGrid(segmentationNode) if volumeNode is None else _grid(volumeNode, whole=True)
    found, whole = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    segmentationNode.GetBinaryLabelmapRepresentation(segmentId, found)
    resample = slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage
    if found.IsEmpty() or not resample(found, grid, whole):
        return np.zeros(grid.GetDimensions(), dtype=bool)
    scalars = vtk_to_numpy(whole.GetPointData().GetScalars())
    return scalars.reshape(grid.GetDimensions()[::-1]).transpose(2, 1, 0) > 0


def ownGrid(segmentationNode):
    """Return the grid that a segmentation refers to, as an oriented image."""
    image, geometry = slicer.vtkOrientedImageData(), _geometry(segmentationNode)
    converter = slicer.vtkSegmentationConverter
    converter.DeserializeImageGeometry(geometry, image, True, vtk.VTK_UNSIGNED_CHAR, 1)
    return image


def _geometry(segmentationNode) -> str:
    name = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    return str(segmentationNode.GetSegmentation().GetConversionParameter(name))


def segmentTime(segmentationNode, segmentId: str | None) -> tuple[Any, ...]:
    """Return what differs once a segment's voxels, or the grid they are read on, were changed."""
    segment = segmentationNode.GetSegmentation().GetSegment(segmentId)
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    labelmap = segment.GetRepresentation(name)
    times = segment.GetMTime(), labelmap.GetMTime() if labelmap is not None else 0
    return _geometry(segmentationNode), *times


def digest(array: np.ndarray) -> str:
    """Return a fingerprint that tells a later edit of an array (I, J, K); no security measure.

    Slicer keeps voxels in the order KJI, so that the transposed array needs no copy.
    """
    return f"{zlib.crc32(np.ascontiguousarray(array.T).view(np.uint8).data):08x}"


def _grid(volumeNode, *, whole: bool = False):
    """Return an oriented image on the volume's grid, without extent and voxels unless `whole`."""
    image = slicer.vtkOrientedImageData()
    image.SetImageToWorldMatrix(ijkToRasMatrix(volumeNode))
    if whole:
        image.SetExtent(volumeNode.GetImageData().GetExtent())
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    return image
