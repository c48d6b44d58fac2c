"""The panel's "Correct by clicks": points are set into the views, and the result follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk

from skullstrip.mask.clicks import Click

from .outputs import brainMask, readState, removeNodes, sourceOf
from .panel import Panel, timer, told
from .results import clickAt, clicksIn, requireChangeable
from .voxels import ijkToRas, localPosition

POINTS_ROLE = "SkullStrip.Points"
POINTS_CLASS = "vtkMRMLMarkupsFiducialNode"
SORTS = {"not brain": False, "brain": True}  # what a point's description says
BRAIN_COLOR, OTHER_COLOR = (0.2, 0.8, 0.3), (0.95, 0.25, 0.2)


class ClicksPanel(Panel):
    """Keeps the result in step with its points, wherever they were set, moved or removed.

    No others are in the views, where they would catch the mouse: points go with their result, and
    once there is none among them; those of another result are hidden.
    """

    def __init__(self, widget) -> None:
        super().__init__(widget, widget.ui.resultNotice)
        self._drawn: tuple = (None, None)  # a result and its points
        self._ofPoints, self._ofScene = (slicer.util.VTKObservationMixin() for _ in range(2))
        self._timer = timer(0, self.apply)  # not while the views still work on the point
        self._connect(clickButton=self._onClicked, unclickButton=self._takeBack)
        self._connect(undoButton=self._followUndo)

    def tell(self, text: str) -> None:
        """Show what went wrong, with the result."""
        self._widget.resultPanel.tell(text)

    @property
    def _points(self) -> Any:
        return self._drawn[1]

    def setScene(self, scene) -> None:
        """Observe this scene; None while it is closed."""
        self._observe(None, None)
        super().setScene(scene)
        self._ofScene.removeObservers()
        if scene is not None:
            self._ofScene.addObserver(scene, scene.NodeRemovedEvent, self._onNodeRemoved)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, scene, _event, node) -> None:
        if node.IsA("vtkMRMLSegmentationNode"):
            if node is self._drawn[0]:
                self.stopPlacing()  # else Slicer goes on with the next points that it has
            removePoints(scene.GetNodeByID(node.GetNodeReferenceID(POINTS_ROLE) or ""))

    def stopPlacing(self) -> None:
        """Let clicks into the views set no more points."""
        if self._isPlacing:
            _singleton("Interaction").SwitchToViewTransformMode()

    @told
    def draw(self, segmentation) -> None:
        """Show a result's points, and their state."""
        points = pointsOf(segmentation) if segmentation is not None else None
        if (segmentation, points) != self._drawn:
            self._observe(segmentation, points)
        self._drawButtons()

    def _observe(self, segmentation, points) -> None:
        """Observe the points of a result, and show no others."""
        self.stopPlacing()
        self._timer.stop()
        self._ofPoints.removeObservers()
        if not _placed(self._points):
            removePoints(self._points)
        self._drawn = segmentation, points
        if points is not None:
            add = self._ofPoints.addObserver
            for event in (  # none of them for what only shows where a click would set a point
                points.PointPositionDefinedEvent,
                points.PointPositionUndefinedEvent,
                points.PointEndInteractionEvent,
            ):
                add(points, event, lambda *_: self._timer.start())
            mode = _singleton("Interaction")
            add(mode, mode.InteractionModeChangedEvent, lambda *_: self._timer.start())
        if segmentation is not None:
            for other in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
                if pointsOf(other) is not None:
                    pointsOf(other).SetDisplayVisibility(other is segmentation)

    def _drawButtons(self) -> None:
        self._ui.clickButton.checked = self._isPlacing
        self._ui.unclickButton.enabled = bool(readPoints(self._points))

    @property
    def _isPlacing(self) -> bool:
        if self._points is None:
            return False
        mode = _singleton("Interaction")
        isOurs = _singleton("Selection").GetActivePlaceNodeID() == self._points.GetID()
        return isOurs and mode.GetCurrentInteractionMode() == mode.Place

    def _onClicked(self) -> None:
        """Let clicks into the views set points, or no longer; refuse what would refuse them."""
        segmentation = self._widget.resultPanel.segmentation
        try:
            if self._isPlacing:
                self.stopPlacing()
                return
            requireChangeable(segmentation)
            if pointsOf(segmentation) is None:
                createPoints(segmentation)
            self.draw(segmentation)
            _singleton("Selection").SetReferenceActivePlaceNodeClassName(POINTS_CLASS)
            _singleton("Selection").SetActivePlaceNodeID(self._points.GetID())
            _singleton("Interaction").SwitchToPersistentPlaceMode()
        finally:
            self._drawButtons()

    def _takeBack(self) -> None:
        self._points.RemoveNthControlPoint(_placed(self._points)[-1])

    def _followUndo(self) -> None:
        """Let the points be those of the result that is left."""
        self.draw(self._widget.resultPanel.segmentation)
        self._resetPoints()
        self._timer.start()

    def _resetPoints(self) -> None:
        """Let the points be those that the result has."""
        segmentation, points = self._drawn
        if points is not None and readPoints(points) != clicksIn(readState(segmentation)):
            for index in reversed(_placed(points)):
                points.RemoveNthControlPoint(index)
            addPoints(points, clicksIn(readState(segmentation)))

    @told
    def apply(self) -> None:
        """Bring the result in line with its points, which are as before where that is refused."""
        self._timer.stop()
        self.draw(self._widget.resultPanel.segmentation)
        segmentation, points = self._drawn
        if points is None:
            return
        new = [index for index in _placed(points) if _sortOf(points, index) is None]
        if new or readPoints(points) != clicksIn(readState(segmentation)):
            sortPoints(points, new, brainMask(segmentation), sourceOf(segmentation))
            try:
                self._logic.setClicks(segmentation, readPoints(points))
                self._widget.resultPanel.awaitSurface()
            except Exception:
                self._resetPoints()
                raise
            finally:
                self._widget.resultPanel.draw()  # now, else it takes back what is told
        if not _placed(points) and not self._isPlacing:
            removePoints(points)
        self.draw(segmentation)


def _singleton(name: str):
    return slicer.mrmlScene.GetNodeByID(f"vtkMRML{name}NodeSingleton")


def pointsOf(segmentationNode):
    """Return the points of a result, or None."""
    return segmentationNode.GetNodeReference(POINTS_ROLE)


def createPoints(segmentationNode):
    """Return a new node for the points of a result, with those that it has."""
    scene = segmentationNode.GetScene()
    name = scene.GenerateUniqueName(f"{segmentationNode.GetName()} corrections")
    node = scene.AddNewNodeByClass(POINTS_CLASS, name)
    node.CreateDefaultDisplayNodes()
    node.SetControlPointLabelFormat("")
    display = node.GetDisplayNode()
    display.SetSelectedColor(*BRAIN_COLOR)
    display.SetColor(*OTHER_COLOR)
    addPoints(node, clicksIn(readState(segmentationNode)))
    segmentationNode.SetNodeReferenceID(POINTS_ROLE, node.GetID())
    return node


def addPoints(pointsNode, clicks: Sequence[Click]) -> None:
    """Add a point for each click."""
    for click in clicks:
        _sort(pointsNode, pointsNode.AddControlPointWorld(*click.position_ras), click.inside)


def removePoints(pointsNode) -> None:
    """Remove points, and what shows them; nothing for None, and those that are gone."""
    if pointsNode is not None and pointsNode.GetScene() is not None:
        displays = range(pointsNode.GetNumberOfDisplayNodes())
        ids = [pointsNode.GetID(), *map(pointsNode.GetNthDisplayNodeID, displays)]
        removeNodes(pointsNode.GetScene(), ids)


def sortPoints(pointsNode, new: list[int], mask: np.ndarray, volumeNode) -> None:
    """Let each new point mean the opposite of what the mask (I, J, K) says there."""
    toVoxel = np.linalg.inv(ijkToRas(volumeNode))
    for index in new:
        position = localPosition(volumeNode, pointsNode.GetNthControlPointPositionWorld(index))
        voxel = np.rint(toVoxel @ [*position, 1.0])[:3].astype(int)
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
