"""Results: their border and clicks, undo, files.

The state of a result is with its segmentation (`outputs.readState`): "borderMm", from where the
network put the surface; "invert", whether the stripped volume keeps what is not brain; "report", as
`skullstrip.report` documents it; "clicks", by which the mask was corrected, and "clickChanges", the
voxels that each of them changed; "base", the mask at border 0 where another is shown. What no file
has, a `_Memory`, its node keeps as long as it lives.
"""

from __future__ import annotations

import dataclasses
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from skullstrip.errors import InputError, OutputError
from skullstrip.io.atomic import atomic_outputs
from skullstrip.mask.clicks import Click, correct_mask

from . import outputs
from .border import BorderField
from .voxels import (
    ijkToRas,
    ijkToRasMatrix,
    localPosition,
    ownGrid,
    volumeFromNode,
    writeMask,
)

HISTORY_LENGTH = 5  # undone runs that are remembered for each segmentation
CLICK_DIGITS = 2  # of a position in mm; files keep about six figures
SEGMENTATION = ".seg.nrrd"
ENDINGS = (SEGMENTATION, ".nii.gz", ".nii", ".nrrd")


@dataclass
class _Past:
    """What a segmentation was before a run, packed, and the nodes that the run added."""

    shown: str | None  # the mask as it was; None where it was not ours
    shape: tuple[int, ...]  # of that
    references: dict[str, str | None]  # node ids by role
    attributes: tuple[str | None, ...]
    volumes: list[outputs.KeptVolume]  # which the run may fill
    added: list[str] = dataclasses.field(default_factory=list)


@dataclass
class _Memory:
    """What this session knows of a segmentation."""

    field: BorderField | None = None  # every mask that the border gives
    past: list[_Past] = dataclasses.field(default_factory=list)


def _memoryOf(segmentationNode) -> _Memory:
    if not hasattr(segmentationNode, "skullStripMemory"):
        segmentationNode.skullStripMemory = _Memory()
    return segmentationNode.skullStripMemory


def add(
    volumeNode,
    segmentationNode,
    border: BorderField,
    state: dict[str, Any],
    maps: dict[str, np.ndarray],
    given: dict[str, Any],
    *,
    brain: bool,
):
    """Show a new result in a segmentation, and return that; all is undone if it fails.

    Without a segmentation one is made. `maps` has the voxels of volumes by their role, `given`
    the volumes that the caller chose for roles; with `brain` the stripped volume is made.
    """
    with outputs.newNodes(volumeNode.GetScene()) as made:
        if segmentationNode is None:
            segmentationNode = outputs.createSegmentation(volumeNode)
        past = _remember(segmentationNode, given)
        try:
            with slicer.util.NodeModify(segmentationNode):
                outputs.prepareSegmentation(segmentationNode, volumeNode)
                _show(segmentationNode, border, state, maps, given, brain=brain)
        except BaseException:
            _bringBack(segmentationNode, past)
            raise
    past.added = made
    memory = _memoryOf(segmentationNode)
    memory.past = [*memory.past, past][-HISTORY_LENGTH:]
    return segmentationNode


def _remember(segmentationNode, given) -> _Past:
    shown, shape = None, ()
    if not outputs.isEdited(segmentationNode, told=True):
        shape = ownGrid(segmentationNode).GetDimensions()
        isBase = outputs.readState(segmentationNode).get("borderMm") == 0.0
        mask = find(segmentationNode).whole(0.0) if isBase else outputs.brainMask(segmentationNode)
        shown = _packed(mask)
    volumes = [node for node in given.values() if node is not None]
    volumes += [
        segmentationNode.GetNodeReference(role)
        for role in outputs.VOLUME_NAMES
        if given.get(role) is None and outputs.isFilled(segmentationNode, role)
    ]
    return _Past(
        shown,
        shape,
        {role: segmentationNode.GetNodeReferenceID(role) for role in outputs.ROLES},
        outputs.ownAttributes(segmentationNode),
        [outputs.KeptVolume(node) for node in volumes],
    )


def _bringBack(segmentationNode, past: _Past) -> None:
    """Bring a segmentation and its volumes back to what they were."""
    current = outputs.segmentOf(segmentationNode)
    for role, nodeId in past.references.items():
        segmentationNode.SetNodeReferenceID(role, nodeId)
    outputs.setOwnAttributes(segmentationNode, past.attributes)
    if current != outputs.segmentOf(segmentationNode):  # it was added beside an earlier one
        segmentationNode.GetSegmentation().RemoveSegment(current)
    _memoryOf(segmentationNode).field = None
    if past.shown is not None:
        mask = _unpacked(past.shown, past.shape)
        shown = BorderField(mask, outputs.sourceOf(segmentationNode))
        _writeMask(segmentationNode, shown.mask(0.0), shown.box)
    for volume in past.volumes:
        volume.bringBack()


def find(segmentationNode) -> BorderField:
    """Return every mask of a result that nobody edited, also after its scene was loaded."""
    memory = _memoryOf(segmentationNode)
    if memory.field is None:
        state, mask = outputs.readState(segmentationNode), outputs.brainMask(segmentationNode)
        if state["borderMm"]:
            if "base" not in state:  # as earlier versions saved it
                raise InputError("This result has its border moved for good; strip the scan again.")
            mask = _unpacked(state["base"], mask.shape)
        memory.field = BorderField(mask, outputs.sourceOf(segmentationNode))
    return memory.field


def measureAhead(segmentationNode) -> None:
    """Make ready, in the background, for the border to be moved."""
    border = _memoryOf(segmentationNode).field
    if border is not None:
        border.measureAhead()


def requireChangeable(segmentationNode) -> BorderField:
    """Return every mask of a result; refuse one that was edited, or whose scan is gone."""
    outputs.requireSource(segmentationNode)
    if outputs.isEdited(segmentationNode):
        isReviewed = segmentationNode.GetAttribute(outputs.REVIEWED_ATTRIBUTE)
        advice = "save the correction first" if isReviewed else "strip again for a fresh result"
        raise InputError(f"'{segmentationNode.GetName()}' was edited since; {advice}.")
    return find(segmentationNode)


def change(
    segmentationNode,
    clicks: Sequence[Click] | None = None,
    *,
    brain: bool = False,
    **changes: Any,
) -> None:
    """Show the result with another border, inverted, with other clicks or a stripped volume."""
    border = requireChangeable(segmentationNode)
    state = outputs.readState(segmentationNode) | changes
    if clicks is not None:
        border = _correct(border, state, outputs.sourceOf(segmentationNode), clicks)
    brain = brain or segmentationNode.GetNodeReference(outputs.BRAIN_ROLE) is not None
    with outputs.newNodes(segmentationNode.GetScene()) as made:
        _show(segmentationNode, border, state, {}, {}, brain=brain)
    for past in _memoryOf(segmentationNode).past[-1:]:
        past.added += made


def accept(segmentationNode, mask: np.ndarray, report: dict[str, Any]) -> None:
    """Take a segment as it is, `mask`, for the result: the border moves on from there."""
    state = {"borderMm": 0.0, "invert": False, "report": report}
    outputs.writeState(segmentationNode, state, mask)
    segmentationNode.skullStripMemory = _Memory()


def remembers(segmentationNode) -> bool:
    """Return whether a run of this session is remembered."""
    return bool(_memoryOf(segmentationNode).past)


def undo(segmentationNode) -> bool:
    """Take the last run back: its nodes are removed, volumes that it filled get back theirs.

    Return whether the segmentation is still there; raise InputError where there is nothing to
    undo, or it would take the user's edits along.
    """
    if not remembers(segmentationNode) or outputs.isEdited(segmentationNode):
        raise InputError(
            f"Nothing of '{segmentationNode.GetName()}' can be undone: it was edited, or no "
            "run is remembered."
        )
    scene, memory = segmentationNode.GetScene(), _memoryOf(segmentationNode)
    past = memory.past[-1]
    if past.shown is not None:
        _voxels(scene.GetNodeByID(past.references[outputs.SOURCE_ROLE]), past.shape)
    del memory.past[-1]
    past.volumes = [kept for kept in past.volumes if not outputs.isVolumeEdited(kept.node)]
    _bringBack(segmentationNode, past)
    outputs.removeNodes(scene, past.added)
    return segmentationNode.GetScene() is not None


def _show(segmentationNode, border: BorderField, state, maps, given, *, brain: bool) -> None:
    """Bring the nodes in line with a result.

    What takes memory comes first, so that the nodes are as they were if there is none.
    """
    volumeNode = outputs.sourceOf(segmentationNode)
    array, mask = _voxels(volumeNode, border.shape), border.mask(state["borderMm"])
    whole = border.placed(mask)
    state = {key: value for key, value in state.items() if key != "base"}
    if state["borderMm"]:
        border.packed = border.packed or _packed(border.whole(0.0))
        state["base"] = border.packed
    if brain:
        stripped = np.where(whole ^ state["invert"], array, array.dtype.type(0))
        maps = {outputs.BRAIN_ROLE: stripped, **maps}
    roles = [role for role in outputs.VOLUME_NAMES if segmentationNode.GetNodeReference(role)]
    hasMoved = bool(roles) and outputs.hasMoved(segmentationNode)
    _writeMask(segmentationNode, mask, border.box)
    for role, voxels in maps.items():
        outputs.fillVolume(segmentationNode, role, voxels, given.get(role))
    for role in roles:
        if hasMoved and role not in maps and outputs.isFilled(segmentationNode, role):
            outputs.moveVolumeTo(segmentationNode.GetNodeReference(role), volumeNode)
    outputs.writeState(segmentationNode, state, whole)
    _memoryOf(segmentationNode).field = border


def _writeMask(segmentationNode, mask: np.ndarray, box) -> None:
    """Put a mask that lies in a box where the scan lies now."""
    volumeNode, segmentId = outputs.sourceOf(segmentationNode), outputs.segmentOf(segmentationNode)
    segmentationNode.RemoveClosedSurfaceRepresentation()  # else it is made again, for 0.4 s
    outputs.moveSegmentationTo(segmentationNode, volumeNode)
    writeMask(segmentationNode, segmentId, volumeNode, mask, box)


def _voxels(volumeNode, shape: tuple[int, ...]) -> np.ndarray:
    """Return the scan's voxels (I, J, K); refuse others than those that were stripped."""
    array = volumeFromNode(volumeNode).array
    if array.shape != shape:
        raise InputError("The scan has other voxels than when it was stripped; strip it again.")
    return array


def clickAt(position, inside: bool) -> Click:
    """Return a click, its place (world RAS in mm) as exact as files keep it."""
    x, y, z = (round(float(value), CLICK_DIGITS) for value in position)
    return Click((x, y, z), bool(inside))


def clicksIn(state: dict[str, Any]) -> tuple[Click, ...]:
    """Return the clicks that a result's state says it has."""
    return tuple(clickAt(*click) for click in state.get("clicks", []))


def _correct(border: BorderField, state, volumeNode, clicks: Sequence[Click]) -> BorderField:
    """Put these clicks into a state, and return the masks that they make of those that were there.

    All is made anew from the first that differs. Raises InputError where a click means nothing.
    """
    array, affine = _voxels(volumeNode, border.shape), ijkToRas(volumeNode)
    before, changes = clicksIn(state), state.get("clickChanges", [])
    pairs, same = zip(before, clicks, strict=False), min(len(before), len(clicks))
    kept = next((place for place, (was, now) in enumerate(pairs) if was != now), same)
    mask = border.whole(0.0)
    for change in reversed(changes[kept:]):
        mask = mask ^ _unpacked(change, mask.shape)
    changes = changes[:kept]
    for click in clicks[kept:]:
        local = Click(localPosition(volumeNode, click.position_ras), click.inside)
        corrected = correct_mask(mask, array, affine, [local])
        changes.append(_packed(mask ^ corrected))
        mask = corrected
    state |= {"clicks": list(clicks), "clickChanges": changes}
    return BorderField(mask, volumeNode)


def _packed(mask: np.ndarray) -> str:
    """Return a mask (I, J, K) as a text, some kilobytes where little of it is set."""
    return b64encode(zlib.compress(np.packbits(mask.T).tobytes(), 1)).decode()


def _unpacked(text: str, shape: tuple[int, ...]) -> np.ndarray:
    bits = np.frombuffer(zlib.decompress(b64decode(text)), np.uint8)
    return np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(shape[::-1]).T


def saveMask(segmentationNode, path: str | Path, *, overwrite: bool = False) -> None:
    """Write the segment "Brain" on the scan's grid, or, as .seg.nrrd, the whole segmentation.

    Raises InputError where the name ends in none of the formats, the file is there, or the scan was
    moved since; OutputError where it cannot be written, and what was there stays.
    """
    path = Path(path)
    if not path.name.endswith(ENDINGS):
        raise InputError(f"'{path.name}' ends in none of {', '.join(ENDINGS)}; name a format.")
    if path.exists() and not overwrite:
        raise InputError(f"'{path}' is there already; choose another name.")
    outputs.requireSource(segmentationNode)
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
    node = slicer.vtkMRMLLabelMapVolumeNode()
    node.SetIJKToRASMatrix(ijkToRasMatrix(outputs.sourceOf(segmentationNode)))
    mask = outputs.brainMask(segmentationNode)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(mask.transpose(2, 1, 0), np.uint8))
    return node
