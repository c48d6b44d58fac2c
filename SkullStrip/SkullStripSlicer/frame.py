"""The segmentation of one frame of a sequence, which is no node of the scene."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from .border import BorderField
from .segment import addBrainSegment, writeMask
from .volume_node import spacingMm

FRAME_SEGMENT = "Brain"  # the same id in all frames, so that they are displayed alike


def frameSegmentation(volumeNode, mask: np.ndarray, borderMm: float):
    """A segmentation node outside any scene, with a segment "Brain" on the frame's grid.

    Parameters
    ----------
    volumeNode : vtkMRMLScalarVolumeNode
        The frame.
    mask : ndarray of bool, shape (I, J, K)
        At border 0.
    borderMm : float
    """
    field = BorderField(mask, spacingMm(volumeNode))
    node = slicer.vtkMRMLSegmentationNode()
    addBrainSegment(node, FRAME_SEGMENT)
    writeMask(node, FRAME_SEGMENT, volumeNode, field.mask(borderMm), field.box)
    # The volume is in no scene to refer to, so that its grid is kept as text.
    toRas = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(toRas)
    converter = slicer.vtkSegmentationConverter
    grid = converter.SerializeImageGeometry(toRas, volumeNode.GetImageData())
    node.GetSegmentation().SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(), grid
    )
    return node
