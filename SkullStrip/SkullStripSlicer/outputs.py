"""The nodes of a result: made without asking, found again for a second run, never the user's own.

A node that we filled carries a digest of what we put in. Once somebody has edited it, the digest
differs, the node counts as theirs, and a later run makes new nodes instead.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import slicer
import vtk

from skullstrip.checks.input_checks import Check
from skullstrip.errors import InputError

from .voxels import (
    addBrainSegment,
    digest,
    freeColor,
    ownGrid,
    readMask,
    requireScalarVolume,
    segmentTime,
    showAsOutline,
    toWorld,
    worldAffine,
)

SOURCE_ROLE = "SkullStrip.Source"
BRAIN_ROLE = "SkullStrip.Brain"
PROBABILITY_ROLE = "SkullStrip.Probability"
CONFIDENCE_ROLE = "SkullStrip.Confidence"
VOLUME_NAMES = {
    BRAIN_ROLE: "stripped",
    PROBABILITY_ROLE: "brain probability",
    CONFIDENCE_ROLE: "confidence",
}
ROLES = (SOURCE_ROLE, *VOLUME_NAMES)
SEGMENT_ATTRIBUTE = "SkullStrip.Segment"
DIGEST_ATTRIBUTE = "SkullStrip.Digest"
STATE_ATTRIBUTE = "SkullStrip.State"
REVIEWED_ATTRIBUTE = "SkullStrip.Reviewed"  # of a batch's mask, which has a file of its own
OWN_ATTRIBUTES = (SEGMENT_ATTRIBUTE, STATE_ATTRIBUTE, DIGEST_ATTRIBUTE)
MOVED_MM = 0.1
NO_ITEM = 0  # vtkMRMLSubjectHierarchyNode::INVALID_ITEM_ID


def requireOutputs(volumeNode, segmentationNode, given: dict[str, Any]) -> None:
    """Raise InputError for chosen outputs that would overwrite the scan or each other.

    `given` has the output volumes by role, None where none was chosen.
    """
    kinds = [("a segmentation", "vtkMRMLSegmentationNode", segmentationNode)]
    kinds += [("a scalar volume", "vtkMRMLScalarVolumeNode", node) for node in given.values()]
    taken: list[Any] = []
    for kind, className, node in kinds:
        if node is None:
            continue
        name = node.GetName()
        if node is volumeNode:
            raise InputError(f"'{name}' is the scan itself; choose another node for the output.")
        if node.GetClassName() != className:
            raise InputError(f"'{name}' is not {kind}; choose another node for the output.")
        if node.GetScene() is not volumeNode.GetScene():
            raise InputError(f"'{name}' is not in the scan's scene; choose another output.")
        if any(node is other for other in taken):
            raise InputError(f"'{name}' is chosen for two outputs; choose a node for each.")
        taken.append(node)


def segmentationsOf(volumeNode) -> list:
    """Return the segmentations that we made from a volume, edited or not, the newest first."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode", volumeNode.GetScene())
    return [node for node in reversed(nodes) if sourceOf(node) is volumeNode and segmentOf(node)]


def findSegmentation(volumeNode):
    """Return the newest segmentation that we made from this volume and nobody edited, or None."""
    nodes = segmentationsOf(volumeNode)
    return next((node for node in nodes if not isEdited(node, told=True)), None)


def createSegmentation(volumeNode):
    """Return a segmentation "<volume> brain" in the volume's place of the subject hierarchy."""
    scene = volumeNode.GetScene()
    name = scene.GenerateUniqueName(f"{volumeNode.GetName()} brain")
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    putInFolderOf(volumeNode, node)
    return node


def prepareSegmentation(segmentationNode, volumeNode) -> str:
    """Tie a segmentation to the volume and return the id of our segment, made if need be."""
    segmentationNode.SetNodeReferenceID(SOURCE_ROLE, volumeNode.GetID())
    if segmentOf(segmentationNode) is None or isEdited(segmentationNode, told=True):
        segmentId = addBrainSegment(segmentationNode, freeColor(volumeNode.GetScene()))
        segmentationNode.SetAttribute(SEGMENT_ATTRIBUTE, segmentId)
        showAsOutline(segmentationNode, segmentId)
    return segmentationNode.GetAttribute(SEGMENT_ATTRIBUTE)


def moveSegmentationTo(segmentationNode, volumeNode) -> None:
    """Let a segmentation lie where the volume lies now, for what is written to it next."""
    # First the transform: the geometry is kept as seen from where the segmentation lies.
    segmentationNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)


def hasMoved(segmentationNode) -> bool:
    """Return whether the volume was moved, or its grid changed, since the segment was written.

    Of one whose file was not found nothing is known.
    """
    volumeNode, grid = sourceOf(segmentationNode), ownGrid(segmentationNode)
    if volumeNode.GetImageData() is None:
        return False
    matrix = vtk.vtkMatrix4x4()
    grid.GetImageToWorldMatrix(matrix)
    own = toWorld(segmentationNode) @ slicer.util.arrayFromVTKMatrix(matrix)
    dimensions = volumeNode.GetImageData().GetDimensions()
    corners = np.array([[0, 0, 0, 1], [*dimensions, 1]], dtype=float)
    apart = np.abs(corners @ (worldAffine(volumeNode) - own).T).max()
    return grid.GetDimensions() != dimensions or bool(apart > MOVED_MM)


@contextmanager
def newNodes(scene) -> Iterator[list[str]]:
    """Give a list that gets the ids of the nodes that come meanwhile; they go if the body fails."""
    before = _nodeIds(scene)
    new: list[str] = []
    try:
        yield new
    except BaseException:
        removeNodes(scene, _nodeIds(scene) - before)
        raise
    new += sorted(_nodeIds(scene) - before)


def removeNodes(scene, ids: Iterable[str]) -> None:
    """Remove the nodes that are still there; a display only after what it shows.

    The 3-D view keeps looking at a segmentation's display, and Slicer crashes where that is gone.
    """

    def isDisplay(node) -> bool:
        return bool(node.IsA("vtkMRMLDisplayNode"))

    for node in sorted(filter(None, map(scene.GetNodeByID, ids)), key=isDisplay):
        shown = node.GetDisplayableNode() if isDisplay(node) else None
        if scene.IsNodePresent(node) and not (shown and scene.IsNodePresent(shown)):
            scene.RemoveNode(node)


def _nodeIds(scene) -> set[str]:
    return {scene.GetNthNode(place).GetID() for place in range(scene.GetNumberOfNodes())}


def sourceOf(segmentationNode):
    """Return the volume that a segmentation was made from, or None."""
    return segmentationNode.GetNodeReference(SOURCE_ROLE)


def requireSource(segmentationNode):
    """Return the volume of a result; raise InputError where it is gone, or has no voxels."""
    volumeNode = sourceOf(segmentationNode)
    if volumeNode is None:
        raise InputError("The scan of this result is no longer in the scene; strip it again.")
    requireScalarVolume(volumeNode)
    return volumeNode


def segmentOf(segmentationNode) -> str | None:
    """Return the id of our segment, or None if it is gone."""
    segmentId = segmentationNode.GetAttribute(SEGMENT_ATTRIBUTE)
    if not segmentId or segmentationNode.GetSegmentation().GetSegment(segmentId) is None:
        return None
    return segmentId


def brainMask(segmentationNode) -> np.ndarray:
    """Return our segment's voxels as they are now, bool (I, J, K), on its own grid."""
    return readMask(segmentationNode, segmentOf(segmentationNode))


def brainMl(segmentationNode) -> float:
    """Return the volume of our segment as it is now, in mL; none where it is gone."""
    if segmentOf(segmentationNode) is None:
        return 0.0
    voxels = np.count_nonzero(brainMask(segmentationNode))
    return voxels * float(np.prod(ownGrid(segmentationNode).GetSpacing())) / 1000


def isEdited(segmentationNode, *, told: bool = False) -> bool:
    """Return whether our segment is no longer what we put in (or gone).

    With `told` its voxels are read again only where Slicer was told of a change since the last
    time, as whoever writes into its array may forget.
    """
    segmentId = segmentOf(segmentationNode)
    if segmentId is None or sourceOf(segmentationNode) is None:
        return True
    time = segmentTime(segmentationNode, segmentId)
    if not told or getattr(segmentationNode, "skullStripSeen", ("", ""))[0] != time:
        segmentationNode.skullStripSeen = time, digest(brainMask(segmentationNode))
    return segmentationNode.skullStripSeen[1] != segmentationNode.GetAttribute(DIGEST_ATTRIBUTE)


def writeState(segmentationNode, state: dict[str, Any], mask: np.ndarray) -> None:
    """Keep border, report and the like with the node, so that they return with a saved scene."""
    time, written = segmentTime(segmentationNode, segmentOf(segmentationNode)), digest(mask)
    segmentationNode.SetAttribute(STATE_ATTRIBUTE, json.dumps(state))
    segmentationNode.SetAttribute(DIGEST_ATTRIBUTE, written)
    segmentationNode.skullStripSeen = time, written


def readState(segmentationNode) -> dict[str, Any]:
    """Return what `writeState` kept; empty without a node, and for one that is not ours."""
    try:
        return dict(json.loads(segmentationNode.GetAttribute(STATE_ATTRIBUTE) or "{}"))
    except (AttributeError, ValueError):
        return {}


def readReport(segmentationNode) -> dict[str, Any]:
    """Return what the run said of its result."""
    return readState(segmentationNode).get("report", {})


def noticed(report: dict[str, Any]) -> tuple[Check, ...]:
    """Return what a run's report says of scan and mask, each once; empty for an ordinary one."""
    said = [check for key in ("checks", "quality") for check in report.get(key, [])]
    return tuple(Check(**check) for number, check in enumerate(said) if check not in said[:number])


def ownAttributes(segmentationNode) -> tuple[str | None, ...]:
    """Return what says which segment is ours, and what `writeState` kept."""
    return tuple(segmentationNode.GetAttribute(name) for name in OWN_ATTRIBUTES)


def setOwnAttributes(segmentationNode, values: tuple[str | None, ...]) -> None:
    """Set what `ownAttributes` gave."""
    for name, value in zip(OWN_ATTRIBUTES, values, strict=True):
        segmentationNode.SetAttribute(name, value)


def fillVolume(segmentationNode, role: str, array: np.ndarray, given=None) -> None:
    """Put voxels (I, J, K) into the volume of a role: the given, ours of before, or a new one."""
    volumeNode = sourceOf(segmentationNode)
    node = given or segmentationNode.GetNodeReference(role)
    others = [segmentationNode.GetNodeReference(other) for other in ROLES if other != role]
    isOthers = any(node is other for other in others)
    if node is None or (given is None and (isOthers or isVolumeEdited(node))):
        name = f"{volumeNode.GetName()} {VOLUME_NAMES[role]}"  # made unique by the logic
        logic = slicer.modules.volumes.logic()
        node = logic.CloneVolume(volumeNode.GetScene(), volumeNode, name)
        putInFolderOf(volumeNode, node)
    segmentationNode.SetNodeReferenceID(role, node.GetID())
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(array.transpose(2, 1, 0)))
    moveVolumeTo(node, volumeNode)
    node.SetAttribute(DIGEST_ATTRIBUTE, digest(slicer.util.arrayFromVolume(node).T))
    if role != BRAIN_ROLE:  # of probabilities
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAutoWindowLevel(False)
        node.GetDisplayNode().SetWindowLevelMinMax(0.0, 1.0)


def moveVolumeTo(node, volumeNode) -> None:
    """Let a volume lie where the scan lies now."""
    node.CopyOrientation(volumeNode)
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())


class KeptVolume:
    """Voxels, packed, place and display of a volume before a run filled it."""

    def __init__(self, volumeNode) -> None:
        self.node, self._transformId = volumeNode, volumeNode.GetTransformNodeID()
        nodes = filter(None, (volumeNode, volumeNode.GetDisplayNode()))
        self._copies = [(node, node.NewInstance()) for node in nodes]  # outside any scene
        for node, copy in self._copies:
            copy.CopyContent(node, node is not volumeNode)
        self._copies[0][1].SetAndObserveImageData(None)
        self._voxels: Any = None
        if volumeNode.GetImageData() is not None:
            array = np.ascontiguousarray(slicer.util.arrayFromVolume(volumeNode))
            # A seventh of a map's memory for 0.3 s; five runs of a history may fill three each.
            self._voxels = zlib.compress(array.data, 1), array.dtype, array.shape

    def bringBack(self) -> None:
        """Make the volume what it was."""
        for node, copy in self._copies:
            node.CopyContent(copy)
        if self._voxels is None:
            self.node.SetAndObserveImageData(None)
        else:
            data, kind, shape = self._voxels
            array = np.frombuffer(zlib.decompress(data), kind).reshape(shape)
            slicer.util.updateVolumeFromArray(self.node, array)
        self.node.SetAndObserveTransformNodeID(self._transformId)


def isOurs(volumeNode) -> bool:
    """Return whether a volume was filled by us, edited since or not."""
    return volumeNode.GetAttribute(DIGEST_ATTRIBUTE) is not None


def isVolumeEdited(node) -> bool:
    """Return whether an output volume is no longer what we put in."""
    if node.GetImageData() is None:
        return True
    return digest(slicer.util.arrayFromVolume(node).T) != node.GetAttribute(DIGEST_ATTRIBUTE)


def isFilled(segmentationNode, role: str) -> bool:
    """Return whether a result has a volume in a role that still holds what we put in."""
    node = segmentationNode.GetNodeReference(role) if segmentationNode is not None else None
    return node is not None and not isVolumeEdited(node)


def putInFolderOf(volumeNode, node) -> None:
    """Put a node in the subject-hierarchy folder of the volume, where it has one."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volumeNode.GetScene())
    item = hierarchy.GetItemByDataNode(volumeNode) if hierarchy is not None else NO_ITEM
    if item != NO_ITEM:
        hierarchy.CreateItem(hierarchy.GetItemParent(item), node)  # moves the one that it has


def hasSurface(segmentationNode) -> bool:
    """Return whether the closed surface is there; moving the border removes it."""
    name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    return bool(segmentationNode.GetSegmentation().ContainsRepresentation(name))
