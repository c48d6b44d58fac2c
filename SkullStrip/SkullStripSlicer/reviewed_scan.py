"""A scan under review in the scene: the scan, and its mask as a result of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from skullstrip.errors import InputError
from skullstrip.io.images import Image

from . import outputs
from .clicks import pointsOf
from .scene_scans import SCALAR
from .segment import digest, readMask, writeMask


class ReviewedScan:
    """The nodes `volume` and `segmentation` of a scan, until `remove`.

    `image`, whose affine the volume gets, and `mask` are what `Review.load` gave; `report` is what
    is known of the mask, by the keys of `skullstrip.report`.
    """

    def __init__(self, scene, name: str, image: Image, mask: np.ndarray, report: dict) -> None:
        self.image, self._scene = image, scene
        with outputs.newNodes(scene) as self._ids:
            self.volume = scene.AddNewNodeByClass(SCALAR, scene.GenerateUniqueName(name))
            self.volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(image.affine))
            voxels = np.ascontiguousarray(image.array.transpose(2, 1, 0), np.float32)
            slicer.util.updateVolumeFromArray(self.volume, voxels)
            self.volume.CreateDefaultDisplayNodes()
            self.segmentation = outputs.createSegmentation(self.volume)
            segmentId = outputs.prepareSegmentation(self.segmentation, self.volume)
            self.segmentation.SetAttribute(outputs.REVIEWED_ATTRIBUTE, "yes")
            outputs.placeOn(self.segmentation, self.volume)
            box = tuple(slice(0, size) for size in mask.shape)
            writeMask(self.segmentation, segmentId, self.volume, mask, box)
            self.keep(report)
        self._show(report, mask)

    def keep(self, report: dict[str, Any]) -> None:
        """Take the mask for what lies on the disk; the border moves on from there."""
        mask = self.mask()
        state = {"borderMm": 0.0, "invert": False, "report": report}
        outputs.writeState(self.segmentation, state, mask)
        self._kept = digest(mask)

    def mask(self) -> np.ndarray:
        """Return the mask as it is now, on the scan's grid; raise InputError where it is gone."""
        segmentId = outputs.segmentOf(self.segmentation)
        if segmentId is None:
            raise InputError("The segment 'Brain' is gone; undo that, or discard the correction.")
        return readMask(self.segmentation, segmentId, self.volume)

    @property
    def isUnsaved(self) -> bool:
        """Whether the mask is another than the one on the disk."""
        if self.segmentation.GetScene() is None:
            return False
        return outputs.segmentOf(self.segmentation) is None or digest(self.mask()) != self._kept

    def remove(self) -> None:
        """Remove the nodes, and the points of corrections; what else was made from them stays."""
        points = pointsOf(self.segmentation)
        if points is not None:
            self._scene.RemoveNode(points)
        outputs.removeNodes(self._scene, self._ids)

    def _show(self, report: dict[str, Any], mask: np.ndarray) -> None:
        """Show the scan in all slices, at the first place of doubt, else at the brain's middle."""
        slicer.util.setSliceViewerLayers(background=self.volume, fit=True)
        middle = np.argwhere(mask).mean(axis=0) if mask.any() else np.array(mask.shape) / 2
        places = [check.position_ras for check in outputs.noticed(report)]
        place = next(filter(None, places), (self.image.affine @ [*middle, 1.0])[:3])
        view = slicer.vtkMRMLSliceNode
        view.JumpAllSlices(self._scene, *place, view.CenteredJumpSlice)
