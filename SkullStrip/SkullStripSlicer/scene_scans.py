"""Which nodes of a scene are T1 scans, and where the result of each goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import slicer

from . import outputs
from .volume_node import inspectVolume

# Findings of `skullstrip.checks.appearance`: such volumes are no T1 scans of whole heads.
UNLIKE_T1 = {"label_map", "ct_like", "already_stripped"}
SCALAR = "vtkMRMLScalarVolumeNode"


@dataclass(frozen=True)
class SceneScan:
    """One scan of the scene.

    Parameters
    ----------
    name : str
    volumeNode : vtkMRMLScalarVolumeNode
        A node of the scene, or a frame's node, which lives in its sequence.
    frames : FrameOutput or None
        Where the result of a frame goes.
    index : str
        The frame's index value.
    """

    name: str
    volumeNode: Any
    frames: FrameOutput | None = None
    index: str = ""


class FrameOutput:
    """A sequence of segmentations beside a sequence of scans, made with its first frame."""

    def __init__(self, sequenceNode) -> None:
        self._source = sequenceNode
        self.node = None

    def add(self, segmentationNode, index: str):
        """Put a frame's segmentation in its place; returns the sequence."""
        if self.node is None:
            self.node = self._make()
        self.node.SetDataNodeAtValue(segmentationNode, index)
        return self.node

    def _make(self):
        scene, source = self._source.GetScene(), self._source
        name = scene.GenerateUniqueName(f"{source.GetName()} brain")
        node = scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
        node.SetIndexName(source.GetIndexName())
        node.SetIndexUnit(source.GetIndexUnit())
        node.SetIndexType(source.GetIndexType())
        for browser in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode", scene):
            if browser.IsSynchronizedSequenceNode(source, True):
                browser.AddSynchronizedSequenceNode(node)  # the two are played together
        return node


def findSceneScans(scene) -> list[SceneScan]:
    """The T1 volumes of a scene, then the frames of its sequences of T1 volumes.

    Left out are label maps, what we made, hidden volumes, the volumes that show a sequence's
    current frame, and what the input checks refuse or find unlike a T1 scan.
    """
    volumes = [SceneScan(node.GetName(), node) for node in _volumes(scene) if _looksLikeT1(node)]
    return volumes + [
        scan
        for sequence in slicer.util.getNodesByClass("vtkMRMLSequenceNode", scene)
        for scan in _frames(sequence)
    ]


def _volumes(scene) -> list:
    """Scalar volumes that stand for themselves."""
    browsers = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode", scene)
    return [
        node
        for node in slicer.util.getNodesByClass(SCALAR, scene)
        if not node.GetHideFromEditors()
        and node.GetAttribute(outputs.DIGEST_ATTRIBUTE) is None
        and not any(browser.IsProxyNode(node.GetID()) for browser in browsers)
    ]


def _looksLikeT1(volumeNode) -> bool:
    """Whether the input checks have nothing against it; label maps and the like are refused."""
    checks = inspectVolume(volumeNode)
    return not any(check.severity == "refuse" or check.code in UNLIKE_T1 for check in checks)


def _frames(sequence) -> list[SceneScan]:
    count = sequence.GetNumberOfDataNodes()
    if count == 0 or not _looksLikeT1(sequence.GetNthDataNode(0)):
        return []
    output = FrameOutput(sequence)
    indices = [sequence.GetNthIndexValue(place) for place in range(count)]
    unit = sequence.GetIndexUnit() or ""
    return [
        SceneScan(
            f"{sequence.GetName()}, {sequence.GetIndexName()} {index} {unit}".strip(),
            sequence.GetNthDataNode(place),
            output,
            index,
        )
        for place, index in enumerate(indices)
    ]
