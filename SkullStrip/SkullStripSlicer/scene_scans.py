"""The scans of a scene: heads, frames of sequences, other scans of a study; results of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer

from skullstrip.checks.input_checks import Check
from skullstrip.errors import InputError

from . import outputs
from .border import BorderField
from .voxels import (
    OUTLINE_WIDTH,
    SCALAR,
    addBrainSegment,
    freeColor,
    ijkToRasMatrix,
    inspectVolume,
    worldAffine,
    writeMask,
)

LABEL_MAP, CT_LIKE = "label_map", "ct_like"
CONTRASTS = {CT_LIKE: CT_LIKE, "contrast_inverted": "inverted"}
# Findings of `skullstrip.checks.appearance` after which a volume is stripped only if asked for.
DOUBTFUL = {CT_LIKE, "already_stripped"}
SAMPLED = 5000  # voxels of a brain that tell how much of it a scan shows
FRAME_SEGMENT = "Brain"  # the same id in all frames, so that they are displayed alike


@dataclass(frozen=True)
class SceneScan:
    """One scan of the scene."""

    name: str
    volumeNode: Any  # a node of the scene, or a frame's node, which lives in its sequence
    frames: FrameOutput | None = None  # where the result of a frame goes
    index: str = ""  # the frame's index value

    def requirePresent(self) -> None:
        """Raise InputError where the scan has left the scene since it was found."""
        holder = self.volumeNode if self.frames is None else self.frames.source
        if holder.GetScene() is None:
            raise InputError("The scan was removed from the scene.")


@dataclass(frozen=True)
class SceneHead:
    """A volume, or a sequence of volumes, that may be stripped."""

    name: str
    scans: list[SceneScan]  # one, or one for each frame
    contrast: str  # "ct_like" by its values, "t1_like" or "inverted" by an earlier run; or empty
    checks: tuple[Check, ...]  # what was noticed; empty for an ordinary head

    @property
    def isLikely(self) -> bool:
        """Whether it looks neither like CT nor stripped already."""
        return not any(check.code in DOUBTFUL for check in self.checks)


class FrameOutput:
    """A sequence of segmentations beside one of scans, the `source`; made with its first frame."""

    def __init__(self, source) -> None:
        self.source = source
        self.node: Any = None
        self._outlined: set[str] = set()

    def add(self, scan: SceneScan, mask: np.ndarray, borderMm: float):
        """Put a frame's mask (I, J, K), given at border 0, in its place, and return its node."""
        scan.requirePresent()
        if self.node is None:
            self._color = freeColor(self.source.GetScene())
            self.node = self._make()
        field = BorderField(mask, scan.volumeNode)
        segmentation = self._segmentation(scan.volumeNode, field.mask(borderMm), field.box)
        added = self.node.SetDataNodeAtValue(segmentation, scan.index)
        for browser in _browsers(self.source.GetScene()):
            self._outline(browser.GetProxyNode(self.node))
        return added

    def _make(self):
        scene, source = self.source.GetScene(), self.source
        name = scene.GenerateUniqueName(f"{source.GetName()} brain")
        node = scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
        node.SetIndexName(source.GetIndexName())
        node.SetIndexUnit(source.GetIndexUnit())
        node.SetIndexType(source.GetIndexType())
        for browser in _browsers(scene):
            if browser.IsSynchronizedSequenceNode(source, True):
                browser.AddSynchronizedSequenceNode(node)  # the two are played together
                # A frame without a mask shows none, not that of the frame before.
                browser.SetMissingItemMode(node, browser.MissingItemSetToDefault)
        return node

    def _segmentation(self, volumeNode, mask: np.ndarray, box):
        """Make a segmentation outside any scene, with a segment "Brain" on the frame's grid."""
        node = slicer.vtkMRMLSegmentationNode()
        addBrainSegment(node, self._color, FRAME_SEGMENT)
        node.SetAttribute(outputs.SEGMENT_ATTRIBUTE, FRAME_SEGMENT)
        writeMask(node, FRAME_SEGMENT, volumeNode, mask, box)
        # The volume is in no scene to refer to, so that its grid is kept as text.
        converter = slicer.vtkSegmentationConverter
        grid = converter.SerializeImageGeometry(
            ijkToRasMatrix(volumeNode), volumeNode.GetImageData()
        )
        node.GetSegmentation().SetConversionParameter(
            converter.GetReferenceImageGeometryParameterName(), grid
        )
        return node

    def _outline(self, proxy) -> None:
        """Show what a browser plays as an outline, once: later the user's own choice counts."""
        if proxy is None or proxy.GetID() in self._outlined:
            return
        self._outlined.add(proxy.GetID())
        proxy.CreateDefaultDisplayNodes()
        # Of the node, not of the segment, which is another one in each frame.
        proxy.GetDisplayNode().SetVisibility2DFill(False)
        proxy.GetDisplayNode().SetSliceIntersectionThickness(OUTLINE_WIDTH)


def findHeads(scene) -> list[SceneHead]:
    """Find the volumes of a scene that may be heads, then its sequences of such volumes.

    Left out are label maps, what we made, hidden volumes, the volumes that show a sequence's
    current frame, and what the input checks refuse.
    """
    groups = [[SceneScan(node.GetName(), node)] for node in standAlone(scene)]
    groups += map(_frames, slicer.util.getNodesByClass("vtkMRMLSequenceNode", scene))
    return [head for head in map(_head, filter(None, groups)) if head is not None]


def standAlone(scene) -> list:
    """Return the scalar volumes that stand for themselves, and that are not ours."""
    browsers = _browsers(scene)
    return [
        node
        for node in slicer.util.getNodesByClass(SCALAR, scene)
        if not node.GetHideFromEditors()
        and not outputs.isOurs(node)
        and not any(browser.IsProxyNode(node.GetID()) for browser in browsers)
    ]


def _browsers(scene) -> list:
    return slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode", scene)


def _frames(sequence) -> list[SceneScan]:
    output, unit = FrameOutput(sequence), sequence.GetIndexUnit() or ""
    scans = []
    for place in range(sequence.GetNumberOfDataNodes()):
        index = sequence.GetNthIndexValue(place)
        name = f"{sequence.GetName()}, {sequence.GetIndexName()} {index} {unit}".strip()
        scans.append(SceneScan(name, sequence.GetNthDataNode(place), output, index))
    return scans


def _head(scans: list[SceneScan]) -> SceneHead | None:
    """Return what the checks say of the first scan; None where it is refused or a label map."""
    first = scans[0]
    checks = inspectVolume(first.volumeNode)
    if any(check.severity == "refuse" or check.code == LABEL_MAP for check in checks):
        return None
    name = first.name if first.frames is None else first.frames.source.GetName()
    return SceneHead(name, scans, _contrast(first.volumeNode, checks), checks)


def _contrast(volumeNode, checks: tuple[Check, ...]) -> str:
    if any(check.code == CT_LIKE for check in checks):
        return CT_LIKE
    results = outputs.segmentationsOf(volumeNode)
    report = outputs.readReport(results[0]) if results else {}
    named = (CONTRASTS.get(check.code) for check in outputs.noticed(report))
    return next(filter(None, named), "t1_like" if report else "")


def findOtherScans(segmentationNode) -> list[OtherScan]:
    """Find the other volumes of a result's study, else of its patient, else of the scene.

    Left out are label maps, what we made, hidden volumes and what is no single 3-D volume.
    """
    source = outputs.sourceOf(segmentationNode)
    volumes = [node for node in standAlone(source.GetScene()) if node is not source]
    relatives = _relatives(source, volumes) or volumes
    places = np.argwhere(outputs.brainMask(segmentationNode))
    places = places[:: max(1, len(places) // SAMPLED)]
    brain = np.c_[places, np.ones(len(places))] @ worldAffine(source).T
    return [OtherScan(node, _shareInView(brain, node)) for node in relatives]


@dataclass(frozen=True)
class OtherScan:
    """A volume that may get the mask of a result."""

    volumeNode: Any
    share: float  # of the brain that lies in its field of view, as it lies in the scene now


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
