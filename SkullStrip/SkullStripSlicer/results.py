"""Results: their border and clicks, undo, files.

The state of a result is with its segmentation (`outputs.readState`): "borderMm", from where the
network put the surface; "invert", whether the stripped volume keeps what is not brain; "report", as
`skullstrip.report` documents it; "clicks", by which the mask was corrected, and "clickChanges", the
voxels that each of them changed. Kept here is what no file has.
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
from .segment import writeMask
from .volume_node import ijkToRasMatrix, volumeFromNode

HISTORY_LENGTH = 5  # undone runs that are remembered for each segmentation
CLICK_DIGITS = 2  # of a position in mm; files keep about six figures
SEGMENTATION = ".seg.nrrd"
SUFFIXES = (SEGMENTATION, ".nii.gz", ".nii", ".nrrd")


@dataclass
class _Past:
    """What a segmentation was before a run, and the nodes that the run added."""

    field: BorderField | None  # every mask that the border gave
    shown: BorderField | None  # the mask as it was; None where it was not ours
    segmentId: str | None
    references: dict[str, str | None]  # node ids by role
    written: tuple[str | None, ...]
    volumes: list[outputs.KeptVolume]  # which the run may fill
    added: list[str] = dataclasses.field(default_factory=list)


@dataclass
class _Memory:
    """What is known of a segmentation that carries what was last `written` to it."""

    written: tuple[str | None, ...]
    field: BorderField | None = None
    past: list[_Past] = dataclasses.field(default_factory=list)


class Results:
    """What is known of results, by the id of their segmentation node.

    Ids are used again after a scene was closed; a node counts as the one that is known only while
    it carries what was last written to it.
    """

    def __init__(self) -> None:
        self._memories: dict[str, _Memory] = {}

    def _memoryOf(self, segmentationNode) -> _Memory:
        key, written = segmentationNode.GetID(), outputs.written(segmentationNode)
        if key not in self._memories or self._memories[key].written != written:
            self._memories[key] = _Memory(written)
        return self._memories[key]

    def add(
        self,
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
            memory, past = self._memoryOf(segmentationNode), self._remember(segmentationNode, given)
            try:
                with slicer.util.NodeModify(segmentationNode):
                    outputs.prepareSegmentation(segmentationNode, volumeNode)
                    self._show(segmentationNode, border, state, maps, given, brain=brain)
            except BaseException:
                self._return(segmentationNode, past)
                raise
        past.added = made
        memory.past = [*memory.past, past][-HISTORY_LENGTH:]
        return segmentationNode

    def _remember(self, segmentationNode, given) -> _Past:
        border = shown = None
        if not outputs.isEdited(segmentationNode):
            border, shown = self.find(segmentationNode), _fieldOf(segmentationNode, ahead=False)
        volumes = [node for node in given.values() if node is not None]
        volumes += [
            segmentationNode.GetNodeReference(role)
            for role in outputs.SUFFIXES
            if given.get(role) is None and outputs.isFilled(segmentationNode, role)
        ]
        return _Past(
            border and border.unmeasured(),
            shown,
            outputs.segmentOf(segmentationNode),
            {role: segmentationNode.GetNodeReferenceID(role) for role in outputs.ROLES},
            outputs.written(segmentationNode),
            [outputs.KeptVolume(node) for node in volumes],
        )

    def _return(self, segmentationNode, past: _Past) -> None:
        """Bring a segmentation and its volumes back to what they were."""
        memory = self._memoryOf(segmentationNode)
        current = segmentationNode.GetAttribute(outputs.SEGMENT_ATTRIBUTE)
        if current != past.segmentId:  # it was added beside an earlier one
            segmentationNode.GetSegmentation().RemoveSegment(current)
            segmentationNode.SetAttribute(outputs.SEGMENT_ATTRIBUTE, past.segmentId)
        for role, nodeId in past.references.items():
            segmentationNode.SetNodeReferenceID(role, nodeId)
        if past.shown is not None:
            _writeMask(segmentationNode, past.shown.mask(0.0), past.shown.box)
        for volume in past.volumes:
            volume.bringBack()
        outputs.rewrite(segmentationNode, past.written)
        memory.field, memory.written = past.field, past.written

    def find(self, segmentationNode) -> BorderField | None:
        """Return every mask of a result, also after its scene was loaded from a file.

        Then the saved mask gives the surface back, provided that it was saved at border 0.
        """
        memory = self._memoryOf(segmentationNode)
        isSaved = outputs.readState(segmentationNode).get("borderMm") == 0.0
        if memory.field is None and isSaved and not outputs.isEdited(segmentationNode):
            memory.field = _fieldOf(segmentationNode)
        return memory.field

    def change(
        self,
        segmentationNode,
        clicks: Sequence[Click] | None = None,
        *,
        brain: bool = False,
        **changes: Any,
    ) -> None:
        """Show the result with another border, inverted, with other clicks or a stripped volume.

        Raises InputError where the segment was edited by hand, or nothing is known of it any more.
        """
        volumeNode = outputs.sourceOf(segmentationNode)
        if volumeNode is None:
            raise InputError("The scan of this result is no longer in the scene; strip it again.")
        if outputs.isEdited(segmentationNode):
            isReviewed = segmentationNode.GetAttribute(outputs.REVIEWED_ATTRIBUTE)
            advice = "save the correction first" if isReviewed else "strip again for a fresh result"
            raise InputError(f"'{segmentationNode.GetName()}' was edited since; {advice}.")
        border, state = self.find(segmentationNode), outputs.readState(segmentationNode) | changes
        if border is None:
            raise InputError("This result was loaded with its border moved; strip the scan again.")
        if clicks is not None:
            border = _correct(border, state, volumeNode, clicks)
        brain = brain or segmentationNode.GetNodeReference(outputs.BRAIN_ROLE) is not None
        with outputs.newNodes(volumeNode.GetScene()) as made:
            self._show(segmentationNode, border, state, {}, {}, brain=brain)
        self.takeAlong(segmentationNode, made)

    def takeAlong(self, segmentationNode, added: list[str]) -> None:
        """Let nodes go, by their ids, when the last run is undone."""
        for past in self._memoryOf(segmentationNode).past[-1:]:
            past.added += added

    def remembers(self, segmentationNode) -> bool:
        """Return whether a run of this session is remembered."""
        return bool(self._memoryOf(segmentationNode).past)

    def undo(self, segmentationNode) -> bool:
        """Take the last run back: its nodes are removed, volumes that it filled get back theirs.

        Return whether the segmentation is still there; raise InputError where there is nothing to
        undo, or it would take the user's edits along.
        """
        if not self.remembers(segmentationNode) or outputs.isEdited(segmentationNode):
            raise InputError(
                f"Nothing of '{segmentationNode.GetName()}' can be undone: it was edited, or no "
                "run is remembered."
            )
        key, scene = segmentationNode.GetID(), segmentationNode.GetScene()
        past = self._memories[key].past[-1]
        if past.shown is not None:
            _requireVoxelsOf(past.shown, scene.GetNodeByID(past.references[outputs.SOURCE_ROLE]))
        del self._memories[key].past[-1]
        past.volumes = [kept for kept in past.volumes if not outputs.isVolumeEdited(kept.node)]
        self._return(segmentationNode, past)
        outputs.removeNodes(scene, past.added)
        return scene.GetNodeByID(key) is not None

    def _show(
        self, segmentationNode, border: BorderField, state, maps, given, *, brain: bool
    ) -> None:
        """Bring the nodes in line with a result.

        What takes memory comes first, so that the nodes are as they were if there is none.
        """
        memory, volumeNode = self._memoryOf(segmentationNode), outputs.sourceOf(segmentationNode)
        array, mask = _requireVoxelsOf(border, volumeNode), border.mask(state["borderMm"])
        whole = border.placed(mask)
        if brain:
            stripped = np.where(whole ^ state["invert"], array, array.dtype.type(0))
            maps = {outputs.BRAIN_ROLE: stripped, **maps}
        roles = [role for role in outputs.SUFFIXES if segmentationNode.GetNodeReference(role)]
        hasMoved = bool(roles) and outputs.hasMoved(segmentationNode)
        _writeMask(segmentationNode, mask, border.box)
        for role, voxels in maps.items():
            outputs.fillVolume(segmentationNode, role, voxels, given.get(role))
        for role in roles:
            if hasMoved and role not in maps and outputs.isFilled(segmentationNode, role):
                outputs.putOn(segmentationNode.GetNodeReference(role), volumeNode)
        outputs.writeState(segmentationNode, state, whole)
        memory.field, memory.written = border, outputs.written(segmentationNode)


def _writeMask(segmentationNode, mask: np.ndarray, box) -> None:
    """Put a mask that lies in a box where the scan lies now."""
    volumeNode, segmentId = outputs.sourceOf(segmentationNode), outputs.segmentOf(segmentationNode)
    segmentationNode.RemoveClosedSurfaceRepresentation()  # else it is made again, for 0.4 s
    outputs.placeOn(segmentationNode, volumeNode)
    writeMask(segmentationNode, segmentId, volumeNode, mask, box)


def _fieldOf(segmentationNode, *, ahead: bool = True) -> BorderField:
    """Return what the border can make of a segment as it is."""
    volumeNode = outputs.sourceOf(segmentationNode)
    return BorderField(outputs.brainMask(segmentationNode), volumeNode, ahead=ahead)


def _requireVoxelsOf(border: BorderField, volumeNode) -> np.ndarray:
    """Return the scan's voxels (I, J, K); refuse others than those that were stripped."""
    array = volumeFromNode(volumeNode).array
    if array.shape != border.shape:
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
    _requireVoxelsOf(border, volumeNode)
    before, changes = clicksIn(state), state.get("clickChanges", [])
    pairs, same = zip(before, clicks, strict=False), min(len(before), len(clicks))
    kept = next((place for place, (was, now) in enumerate(pairs) if was != now), same)
    mask = border.whole(0.0)
    for change in reversed(changes[kept:]):
        mask = mask ^ _unpacked(change, mask.shape)
    changes, volume = changes[:kept], volumeFromNode(volumeNode)
    for click in clicks[kept:]:
        corrected = correct_mask(mask, volume.array, volume.affine, [click])
        changes.append(_packed(mask ^ corrected))
        mask = corrected
    state |= {"clicks": list(clicks), "clickChanges": changes}
    return BorderField(mask, volumeNode, ahead=False)


def _packed(mask: np.ndarray) -> str:
    """Return a mask (I, J, K) as a text, some kilobytes where little of it is set."""
    return b64encode(zlib.compress(np.packbits(mask.T).tobytes())).decode()


def _unpacked(text: str, shape: tuple[int, ...]) -> np.ndarray:
    bits = np.frombuffer(zlib.decompress(b64decode(text)), np.uint8)
    return np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(shape[::-1]).T


def saveMask(segmentationNode, path: str | Path, *, overwrite: bool = False) -> None:
    """Write the segment "Brain" on the scan's grid, or, as .seg.nrrd, the whole segmentation.

    Raises InputError where the name ends in none of the formats, the file is there, or the scan was
    moved since; OutputError where it cannot be written, and what was there stays.
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
    node = slicer.vtkMRMLLabelMapVolumeNode()
    node.SetIJKToRASMatrix(ijkToRasMatrix(outputs.sourceOf(segmentationNode)))
    mask = outputs.brainMask(segmentationNode)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(mask.transpose(2, 1, 0), np.uint8))
    return node
