"""A result's mask as a file: a volume on the scan's grid, or a segmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
import vtk

from skullstrip.errors import InputError, OutputError
from skullstrip.io.atomic import atomic_outputs

from . import outputs

SEGMENTATION = ".seg.nrrd"
SUFFIXES = (SEGMENTATION, ".nii.gz", ".nii", ".nrrd")


def saveMask(segmentationNode, path: str | Path, *, overwrite: bool = False) -> None:
    """Write the segment "Brain" on the scan's grid, or, as .seg.nrrd, the whole segmentation.

    Raises
    ------
    InputError
        The name ends in none of the formats, the file is there, or the scan was moved since.
    OutputError
        It cannot be written; what was there stays.
    """
    path = Path(path)
    if not path.name.endswith(SUFFIXES):
        raise InputError(f"'{path.name}' ends in none of {', '.join(SUFFIXES)}; name a format.")
    if path.exists() and not overwrite:
        raise InputError(f"'{path}' is there already; choose another name.")
    if outputs.hasMoved(segmentationNode):
        raise InputError("The scan was moved since this mask was made; strip it again first.")
    with atomic_outputs() as staged:
        if path.name.endswith(SEGMENTATION):
            storage, node = slicer.vtkMRMLSegmentationStorageNode(), segmentationNode
        else:
            storage, node = slicer.vtkMRMLVolumeArchetypeStorageNode(), _labelMap(segmentationNode)
        storage.SetFileName(str(staged(path)))
        if not storage.WriteData(node):
            raise OutputError(f"'{path}' cannot be written; choose another folder.")


def _labelMap(segmentationNode):
    """Return a label map outside the scene."""
    volumeNode = outputs.sourceOf(segmentationNode)
    mask = outputs.brainMask(segmentationNode)
    node, matrix = slicer.vtkMRMLLabelMapVolumeNode(), vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    node.SetIJKToRASMatrix(matrix)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(mask.transpose(2, 1, 0), np.uint8))
    return node
