"""The other scans of a result's study: which there are, and the same mask for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import slicer

from skullstrip.errors import InputError

from . import outputs
from .scene_batch import SceneBatch
from .scene_scans import SceneScan, standAlone
from .segment import readMask
from .strip_run import AppliedMask, StripRun
from .volume_node import volumeFromNode, worldAffine

SAMPLED = 5000  # voxels of a brain that tell how much of it a scan shows


@dataclass(frozen=True)
class OtherScan:
    """A volume that may get the mask of a result.

    Parameters
    ----------
    volumeNode : vtkMRMLScalarVolumeNode
    share : float
        How much of the brain lies in its field of view, as it lies in the scene now.
    """

    volumeNode: Any
    share: float


def findOtherScans(segmentationNode) -> list[OtherScan]:
    """Find the other volumes of a result's study, else of its patient, else of the scene.

    Left out are label maps, what we made, hidden volumes and what is no single 3-D volume.
    """
    source = outputs.sourceOf(segmentationNode)
    volumes = [node for node in standAlone(source.GetScene()) if node is not source]
    relatives = _relatives(source, volumes) or volumes
    places = np.argwhere(readMask(segmentationNode, outputs.segmentOf(segmentationNode)))
    places = places[:: max(1, len(places) // SAMPLED)]
    brain = np.c_[places, np.ones(len(places))] @ worldAffine(source).T
    return [OtherScan(node, _shareInView(brain, node)) for node in relatives]


def _relatives(source, volumes) -> list:
    """Return those of the volumes that the subject hierarchy has in the same study or patient."""
    scene = source.GetScene()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is None:
        return []

    def above(node, level: str) -> int:
        item = hierarchy.GetItemByDataNode(node)
        known = item != outputs.NO_ITEM
        return hierarchy.GetItemAncestorAtLevel(item, level) if known else outputs.NO_ITEM

    constants = slicer.vtkMRMLSubjectHierarchyConstants
    for level in (constants.GetDICOMLevelStudy(), constants.GetDICOMLevelPatient()):
        own = above(source, level)
        if own != outputs.NO_ITEM and (found := [n for n in volumes if above(n, level) == own]):
            return found
    return []


def _shareInView(brain: np.ndarray, volumeNode) -> float:
    """Return the share of places (N, 4), in world mm, that are within a volume."""
    index = (brain @ np.linalg.inv(worldAffine(volumeNode)).T)[:, :3]
    shape = volumeNode.GetImageData().GetDimensions()
    return float(np.mean(np.all((index > -0.5) & (index < np.array(shape) - 0.5), axis=1)))


class ApplyBatch(SceneBatch):
    """A run of the child for each other scan, which carries a result's mask to it."""

    def __init__(self, logic, mask: AppliedMask, found, options, *callbacks: Any) -> None:
        scans = [SceneScan(node.GetName(), node) for node in found]
        super().__init__(logic, scans, replace(options, border_mm=0.0), *callbacks)
        self._mask = mask

    def _strip(self, scan, found: SceneScan) -> StripRun:
        found.requirePresent()
        return self._logic.strip(
            found.volumeNode,
            options=self._options,
            applied=self._mask,
            finished=partial(self._stripped, scan, found),
        )


def appliedMask(logic, segmentationNode) -> AppliedMask:
    """Return a result's mask as it is now, border and edits included, and its scan.

    Raises
    ------
    InputError
        The scan was moved since.
    """
    if outputs.hasMoved(segmentationNode):
        raise InputError("The scan was moved since it was stripped; strip it again first.")
    source = outputs.sourceOf(segmentationNode)
    mask = readMask(segmentationNode, outputs.segmentOf(segmentationNode))
    verdict = logic.report(segmentationNode).get("verdict", "not judged")
    isEdited = outputs.isEdited(segmentationNode)
    return AppliedMask(volumeFromNode(source), mask, "not judged" if isEdited else verdict)
