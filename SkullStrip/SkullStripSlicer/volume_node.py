"""From a volume node to the library's `Volume`, and what the library thinks of it."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from skullstrip.checks.input_checks import Check, check_input
from skullstrip.errors import InputError
from skullstrip.grid.volume import Volume

SCALAR = "vtkMRMLScalarVolumeNode"


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
