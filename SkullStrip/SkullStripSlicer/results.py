"""What is known of each result, on top of its nodes: for the border, and to undo a second run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skullstrip.errors import InputError
from skullstrip.mask.clicks import Click

from . import outputs
from .border import BorderField
from .clicks import clicksIn, corrected
from .segment import writeMask
from .volume_node import spacingMm, volumeFromNode

HISTORY_LENGTH = 5  # undone runs that are remembered for each segmentation


@dataclass(frozen=True)
class Result:
    """One run's outcome, and how it is shown."""

    field: BorderField  # every mask that the border can give
    report: dict[str, Any]  # as `skullstrip.report` documents it
    borderMm: float = 0.0
    invert: bool = False  # the stripped volume keeps what is not brain
    probability: np.ndarray | None = None  # (I, J, K), only where it is shown
    confidence: np.ndarray | None = None
    wantsBrain: bool = False
    clicks: tuple[Click, ...] = ()  # by which the mask was corrected
    clickChanges: tuple[str, ...] = ()  # the voxels that each of them changed, packed


@dataclass
class _Past:
    """What a segmentation was before the current run, small, and the nodes that the run added."""

    result: Result | None
    shown: BorderField | None  # the mask as it was, where no more is known of it
    segmentId: str | None
    references: dict[str, str | None]  # node ids by role
    written: tuple[str | None, ...]
    kept: list[outputs.Kept]  # the volumes that the caller chose for the run
    added: list[str] = field(default_factory=list)


class Results:
    """Results by the id of their segmentation node.

    Ids are used again after a scene was closed; a node counts as the one that is known only while
    it carries what was last written to it.
    """

    def __init__(self) -> None:
        self._current: dict[str, Result] = {}
        self._past: dict[str, list[_Past]] = {}
        self._written: dict[str, tuple[str | None, ...]] = {}

    def add(self, segmentationNode, volumeNode, result: Result, given, created: list[str]) -> None:
        """Show a new result in the nodes and remember what was before; all is undone if it fails.

        `given` has the output volumes that the caller chose, by role; `created` the ids of nodes
        that were made for this run. Output volumes that are made here join them.
        """
        key = self._keyOf(segmentationNode)
        past = self._remember(segmentationNode, given, isNew=bool(created))
        try:
            with outputs.newNodes(volumeNode.GetScene()) as made:
                outputs.prepareSegmentation(segmentationNode, volumeNode)
                self._show(segmentationNode, result, given)
        except BaseException:
            for kept in past.kept:
                outputs.bringBack(kept)
            self._return(segmentationNode, past)
            raise
        past.added += [*created, *made]
        self._past.setdefault(key, []).append(past)
        del self._past[key][:-HISTORY_LENGTH]

    def _remember(self, segmentationNode, given, *, isNew: bool) -> _Past:
        result = shown = None
        if not isNew and not outputs.isEdited(segmentationNode):
            result = self.find(segmentationNode)
            if result is None:
                shown = _fieldOf(segmentationNode)
            else:
                result = replace(result, field=result.field.unmeasured())
        return _Past(
            result,
            shown,
            outputs.segmentOf(segmentationNode),
            {role: segmentationNode.GetNodeReferenceID(role) for role in outputs.ROLES},
            outputs.written(segmentationNode),
            [outputs.keep(node) for node in given.values() if node is not None],
        )

    def _return(self, segmentationNode, past: _Past) -> None:
        """Bring a segmentation back to what it was."""
        key = segmentationNode.GetID()
        current = segmentationNode.GetAttribute(outputs.SEGMENT_ATTRIBUTE)
        if current != past.segmentId:  # it was added beside an earlier one
            segmentationNode.GetSegmentation().RemoveSegment(current)
            segmentationNode.SetAttribute(outputs.SEGMENT_ATTRIBUTE, past.segmentId)
        for role, nodeId in past.references.items():
            segmentationNode.SetNodeReferenceID(role, nodeId)
        self._current.pop(key, None)
        if past.result is not None:
            self._show(segmentationNode, past.result, {})
            return
        if past.shown is not None:
            volumeNode, shown = outputs.sourceOf(segmentationNode), past.shown
            writeMask(segmentationNode, past.segmentId, volumeNode, shown.mask(0.0), shown.box)
        outputs.rewrite(segmentationNode, past.written)
        self._written[key] = past.written

    def find(self, segmentationNode) -> Result | None:
        """Return the result shown in a segmentation, also after its scene was loaded from a file.

        Then the saved mask gives the surface back, provided that it was saved at border 0.
        """
        key = self._keyOf(segmentationNode)
        if key not in self._current:
            state = outputs.readState(segmentationNode)
            if state.get("borderMm") != 0.0 or outputs.isEdited(segmentationNode):
                return None
            self._current[key] = Result(
                _fieldOf(segmentationNode),
                state.get("report", {}),
                invert=bool(state.get("invert")),
                wantsBrain=segmentationNode.GetNodeReference(outputs.BRAIN_ROLE) is not None,
                clicks=clicksIn(state),
                clickChanges=tuple(state.get("clickChanges", ())),
            )
            self._written[key] = outputs.written(segmentationNode)
        return self._current[key]

    def change(
        self, segmentationNode, clicks: Sequence[Click] | None = None, **changes: Any
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
        result = self.find(segmentationNode)
        if result is None:
            raise InputError("This result was loaded with its border moved; strip the scan again.")
        result = replace(result, **changes)
        if clicks is not None:
            _requireVoxelsOf(result, volumeNode)
            result = corrected(result, volumeNode, clicks)
        self.takeAlong(segmentationNode, self._show(segmentationNode, result, {}))

    def takeAlong(self, segmentationNode, added: list[str]) -> None:
        """Let nodes go, by their ids, when the last run is undone."""
        for past in self._past.get(segmentationNode.GetID(), [])[-1:]:
            past.added += added

    def remembers(self, segmentationNode) -> bool:
        """Return whether a run of this session is remembered."""
        return bool(self._past.get(self._keyOf(segmentationNode)))

    def undo(self, segmentationNode) -> bool:
        """Take the last run back: its nodes are removed, volumes that it was given get back theirs.

        Return whether the segmentation is still there; raise InputError where there is nothing to
        undo, or it would take the user's edits along.
        """
        if not self.remembers(segmentationNode) or outputs.isEdited(segmentationNode):
            raise InputError(
                f"Nothing of '{segmentationNode.GetName()}' can be undone: it was edited, or no "
                "run is remembered."
            )
        key, scene = segmentationNode.GetID(), segmentationNode.GetScene()
        past = self._past[key].pop()
        if key not in past.added:
            self._return(segmentationNode, past)
        for kept in past.kept:
            if not outputs.isVolumeEdited(kept.node):
                outputs.bringBack(kept)
        outputs.removeNodes(scene, past.added)
        return scene.GetNodeByID(key) is not None

    def _keyOf(self, segmentationNode) -> str:
        """Return a node's id; forget what is known of another node that had it."""
        key = segmentationNode.GetID()
        if self._written.get(key) != outputs.written(segmentationNode):
            for known in (self._current, self._past, self._written):
                known.pop(key, None)
        return key

    def _show(self, segmentationNode, result: Result, given) -> list[str]:
        """Bring the nodes in line with a result; return the ids of those that had to be made.

        What takes memory comes first, so that the nodes are as they were if there is none.
        """
        volumeNode = outputs.sourceOf(segmentationNode)
        array = _requireVoxelsOf(result, volumeNode)
        mask, box = result.field.mask(result.borderMm), result.field.box
        whole = result.field.placed(mask)
        stripped = None
        if result.wantsBrain:
            stripped = np.where(whole ^ result.invert, array, array.dtype.type(0))
        volumes = {
            outputs.BRAIN_ROLE: stripped,
            outputs.PROBABILITY_ROLE: result.probability,
            outputs.CONFIDENCE_ROLE: result.confidence,
        }
        with outputs.newNodes(volumeNode.GetScene()) as made:
            segmentationNode.RemoveClosedSurfaceRepresentation()  # else it is made again, for 0.4 s
            outputs.placeOn(segmentationNode, volumeNode)
            writeMask(segmentationNode, outputs.segmentOf(segmentationNode), volumeNode, mask, box)
            for role, voxels in volumes.items():
                if voxels is not None:
                    outputs.fillVolume(segmentationNode, role, voxels, given.get(role))
        state = {"borderMm": result.borderMm, "invert": result.invert, "report": result.report}
        if result.clicks:
            state |= {"clicks": result.clicks, "clickChanges": result.clickChanges}
        outputs.writeState(segmentationNode, state, whole)
        key = segmentationNode.GetID()
        self._current[key], self._written[key] = result, outputs.written(segmentationNode)
        return made


def _fieldOf(segmentationNode) -> BorderField:
    """Return what the border can make of a segment as it is."""
    spacing = spacingMm(outputs.sourceOf(segmentationNode))
    return BorderField(outputs.brainMask(segmentationNode), spacing)


def _requireVoxelsOf(result: Result, volumeNode) -> np.ndarray:
    """Return the scan's voxels (I, J, K); refuse others than those that were stripped."""
    array = volumeFromNode(volumeNode).array
    if array.shape != result.field.shape:
        raise InputError("The scan has other voxels than when it was stripped; strip it again.")
    return array
