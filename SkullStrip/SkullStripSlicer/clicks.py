"""The points by which a result is corrected: in the scene, and what they make of its mask."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skullstrip.mask.clicks import Click, correct_mask

from .border import BorderField
from .outputs import readState
from .volume_node import spacingMm, volumeFromNode, worldAffine

POINTS_ROLE = "SkullStrip.Points"
POINTS_CLASS = "vtkMRMLMarkupsFiducialNode"
SORTS = {"not brain": False, "brain": True}  # what a point's description says
BRAIN_COLOR, OTHER_COLOR = (0.2, 0.8, 0.3), (0.95, 0.25, 0.2)
DIGITS = 2  # of a position in mm; files keep about six figures


def pointsOf(segmentationNode):
    """Return the points of a result, or None."""
    return segmentationNode.GetNodeReference(POINTS_ROLE)


def createPoints(segmentationNode):
    """Return a new node for the points of a result; those that it had and lost are in it."""
    scene = segmentationNode.GetScene()
    name = scene.GenerateUniqueName(f"{segmentationNode.GetName()} corrections")
    node = scene.AddNewNodeByClass(POINTS_CLASS, name)
    node.CreateDefaultDisplayNodes()
    node.SetControlPointLabelFormat("")
    display = node.GetDisplayNode()
    display.SetSelectedColor(*BRAIN_COLOR)
    display.SetColor(*OTHER_COLOR)
    for click in clicksIn(readState(segmentationNode)):
        _sort(node, node.AddControlPointWorld(*click.position_ras), click.inside)
    segmentationNode.SetNodeReferenceID(POINTS_ROLE, node.GetID())
    return node


def sortPoints(pointsNode, mask: np.ndarray, volumeNode) -> None:
    """Let each point that is new mean the opposite of what the mask (I, J, K) says there."""
    toVoxel = np.linalg.inv(worldAffine(volumeNode))
    for index in newPoints(pointsNode):
        position = [*pointsNode.GetNthControlPointPositionWorld(index), 1.0]
        voxel = np.rint(toVoxel @ position)[:3].astype(int)
        isThere = bool((voxel >= 0).all() and (voxel < mask.shape).all())
        _sort(pointsNode, index, not (isThere and mask[tuple(voxel)]))


def placedPoints(pointsNode) -> list[int]:
    """Return which points have a place, in their order; others wait for one or only show it."""
    defined = pointsNode.PositionDefined
    count = pointsNode.GetNumberOfControlPoints()
    return [n for n in range(count) if pointsNode.GetNthControlPointPositionStatus(n) == defined]


def newPoints(pointsNode) -> list[int]:
    """Return which points do not say yet what they mean."""
    return [
        index
        for index in placedPoints(pointsNode)
        if pointsNode.GetNthControlPointDescription(index) not in SORTS
    ]


def readPoints(pointsNode) -> tuple[Click, ...]:
    """Return the points that are placed, in their order; none without a node."""
    if pointsNode is None:
        return ()
    return tuple(
        Click(
            _rounded(pointsNode.GetNthControlPointPositionWorld(index)),
            SORTS[pointsNode.GetNthControlPointDescription(index)],
        )
        for index in placedPoints(pointsNode)
        if pointsNode.GetNthControlPointDescription(index) in SORTS
    )


def clicksIn(state: dict[str, Any]) -> tuple[Click, ...]:
    """Return the clicks that a result's state says it has."""
    return tuple(Click(_rounded(place), bool(inside)) for place, inside in state.get("clicks", []))


def corrected(result, volumeNode, clicks: Sequence[Click]):
    """Return a `Result` with these clicks, made anew from the first that differs from its own.

    Raises InputError where a click means nothing.
    """
    pairs = zip(result.clicks, clicks, strict=False)
    same = min(len(result.clicks), len(clicks))
    kept = next((place for place, (was, now) in enumerate(pairs) if was != now), same)
    mask = result.field.whole(0.0)
    for change in reversed(result.clickChanges[kept:]):
        mask = mask ^ _unpacked(change, mask.shape)
    changes = list(result.clickChanges[:kept])
    volume = volumeFromNode(volumeNode)
    for click in clicks[kept:]:
        before, mask = mask, correct_mask(mask, volume.array, volume.affine, [click])
        changes.append(_packed(before ^ mask))
    field = BorderField(mask, spacingMm(volumeNode), ahead=False)
    return replace(result, field=field, clicks=tuple(clicks), clickChanges=tuple(changes))


def _sort(pointsNode, index: int, inside: bool) -> None:
    pointsNode.SetNthControlPointDescription(index, list(SORTS)[inside])
    pointsNode.SetNthControlPointSelected(index, inside)


def _rounded(position) -> tuple[float, float, float]:
    x, y, z = (round(float(value), DIGITS) for value in position)
    return x, y, z


def _packed(mask: np.ndarray) -> str:
    """Return a mask (I, J, K) as a text, some kilobytes where little of it is set."""
    return b64encode(zlib.compress(np.packbits(mask.T).tobytes())).decode()


def _unpacked(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return what `_packed` was given."""
    bits = np.frombuffer(zlib.decompress(b64decode(text)), np.uint8)
    return np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(shape[::-1]).T
