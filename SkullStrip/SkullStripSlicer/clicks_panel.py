"""The panel's "Correct by clicks": points are set into the views, and the result follows."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from skullstrip.mask.clicks import Click

from .outputs import brainMask, newNodes, readState, sourceOf
from .panel import Panel, timer, told
from .results import clickAt, clicksIn
from .volume_node import worldAffine

POINTS_ROLE = "SkullStrip.Points"
POINTS_CLASS = "vtkMRMLMarkupsFiducialNode"
SORTS = {"not brain": False, "brain": True}  # what a point's description says
BRAIN_COLOR, OTHER_COLOR = (0.2, 0.8, 0.3), (0.95, 0.25, 0.2)


class ClicksPanel(Panel):
    """Keeps the result in step with its points, wherever they were set, moved or removed.

    The result is that of `resultPanel`, which says what goes wrong, too.
    """

    def __init__(self, ui, logic, resultPanel) -> None:
        super().__init__(ui, ui.resultNotice)
        self._logic, self._resultPanel = logic, resultPanel
        self._points: Any = None
        self._observations = slicer.util.VTKObservationMixin()
        self._timer = timer(0, self.apply)  # not while the views still work on the point
        self._connect(clickButton=self._onClicked, unclickButton=self._takeBack)
        self._connect(undoButton=self._applySoon)

    def tell(self, text: str) -> None:
        """Show what went wrong, with the result."""
        self._resultPanel.tell(text)

    def stopPlacing(self) -> None:
        """Let clicks into the views set no more points."""
        if self._isPlacing:
            _singleton("Interaction").SwitchToViewTransformMode()

    def stop(self) -> None:
        """Observe nothing any more, and set no more points."""
        self.stopPlacing()
        self._timer.stop()
        self._observations.removeObservers()
        self._points = None

    @told
    def draw(self, segmentation) -> None:
        """Show the state of a result's points, and observe them."""
        points = pointsOf(segmentation) if segmentation is not None else None
        if points is not self._points:
            self.stop()
            self._points = points
            if points is not None:
                add = self._observations.addObserver
                for event in (  # none of them for what only shows where a click would set a point
                    points.PointPositionDefinedEvent,
                    points.PointPositionUndefinedEvent,
                    points.PointEndInteractionEvent,
                ):
                    add(points, event, lambda *_: self._applySoon())
                mode = _singleton("Interaction")
                add(mode, mode.InteractionModeChangedEvent, lambda *_: self._drawButtons())
        self._drawButtons()

    def _drawButtons(self) -> None:
        self._ui.clickButton.checked = self._isPlacing
        self._ui.unclickButton.enabled = bool(readPoints(self._points))

    def _applySoon(self) -> None:
        self._timer.start()

    @property
    def _isPlacing(self) -> bool:
        if self._points is None:
            return False
        mode = _singleton("Interaction")
        isOurs = _singleton("Selection").GetActivePlaceNodeID() == self._points.GetID()
        return isOurs and mode.GetCurrentInteractionMode() == mode.Place

    def _onClicked(self) -> None:
        """Let clicks into the views set points, or no longer."""
        if self._isPlacing:
            self.stopPlacing()
            return
        segmentation = self._resultPanel.segmentation
        if pointsOf(segmentation) is None:
            with newNodes(segmentation.GetScene()) as made:
                createPoints(segmentation)
            self._logic.results.takeAlong(segmentation, made)
        self.draw(segmentation)
        _singleton("Selection").SetReferenceActivePlaceNodeClassName(POINTS_CLASS)
        _singleton("Selection").SetActivePlaceNodeID(self._points.GetID())
        _singleton("Interaction").SwitchToPersistentPlaceMode()

    def _takeBack(self) -> None:
        self._points.RemoveNthControlPoint(_placed(self._points)[-1])

    @told
    def apply(self) -> None:
        """Bring the result in line with its points; a new one that is refused is removed."""
        segmentation = self._resultPanel.segmentation
        self.draw(segmentation)
        points = self._points
        if points is None:
            return
        new = [index for index in _placed(points) if _sortOf(points, index) is None]
        if not new and readPoints(points) == clicksIn(readState(segmentation)):
            return
        sortPoints(points, new, brainMask(segmentation), sourceOf(segmentation))
        try:
            self._logic.setClicks(segmentation, readPoints(points))
        except Exception:
            for index in reversed(new):
                points.RemoveNthControlPoint(index)
            self._timer.stop()
            self._resultPanel.draw()  # now, for it would take back soon what is told
            raise
        self._resultPanel.awaitSurface()
        self._resultPanel.draw()
        self._drawButtons()


def _singleton(name: str):
    return slicer.mrmlScene.GetNodeByID(f"vtkMRML{name}NodeSingleton")


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


def sortPoints(pointsNode, new: list[int], mask: np.ndarray, volumeNode) -> None:
    """Let each new point mean the opposite of what the mask (I, J, K) says there."""
    toVoxel = np.linalg.inv(worldAffine(volumeNode))
    for index in new:
        position = [*pointsNode.GetNthControlPointPositionWorld(index), 1.0]
        voxel = np.rint(toVoxel @ position)[:3].astype(int)
        isThere = bool((voxel >= 0).all() and (voxel < mask.shape).all())
        _sort(pointsNode, index, not (isThere and mask[tuple(voxel)]))


def readPoints(pointsNode) -> tuple[Click, ...]:
    """Return the points that are placed and mean something, in their order; none without a node."""
    sorts = {index: _sortOf(pointsNode, index) for index in _placed(pointsNode)}
    return tuple(
        clickAt(pointsNode.GetNthControlPointPositionWorld(index), inside)
        for index, inside in sorts.items()
        if inside is not None
    )


def _placed(pointsNode) -> list[int]:
    """Return which points have a place, in their order; others wait for one or only show it."""
    if pointsNode is None:
        return []
    status, defined = pointsNode.GetNthControlPointPositionStatus, pointsNode.PositionDefined
    return [n for n in range(pointsNode.GetNumberOfControlPoints()) if status(n) == defined]


def _sortOf(pointsNode, index: int) -> bool | None:
    """Return whether a point says brain; None for one that does not say yet what it means."""
    return SORTS.get(pointsNode.GetNthControlPointDescription(index))


def _sort(pointsNode, index: int, inside: bool) -> None:
    pointsNode.SetNthControlPointDescription(index, list(SORTS)[inside])
    pointsNode.SetNthControlPointSelected(index, inside)
