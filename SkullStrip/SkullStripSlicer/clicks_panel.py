"""The panel's "Correct by clicks": points are set into the views, and the result follows."""

from __future__ import annotations

from typing import Any

import slicer

from .clicks import (
    POINTS_CLASS,
    clicksIn,
    createPoints,
    newPoints,
    placedPoints,
    pointsOf,
    readPoints,
    sortPoints,
)
from .outputs import brainMask, newNodes, readState, sourceOf
from .panel import timer, told


class ClicksPanel:
    """Keeps the result in step with its points, wherever they were set, moved or removed.

    The result is that of `resultPanel`, which says what goes wrong, too.
    """

    def __init__(self, ui, logic, resultPanel) -> None:
        self._ui, self._logic, self._resultPanel = ui, logic, resultPanel
        self._points: Any = None
        self._observations = slicer.util.VTKObservationMixin()
        self._timer = timer(0, self.apply)  # not while the views still work on the point
        ui.clickButton.connect("clicked()", self.onClicked)
        ui.unclickButton.connect("clicked()", self.takeBack)
        ui.undoButton.connect("clicked()", self.applySoon)
        self.tell = resultPanel.tell

    def stopPlacing(self) -> None:
        """Let clicks into the views set no more points."""
        if self._isPlacing:
            _interaction().SwitchToViewTransformMode()

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
                for event in (  # none of them for what only shows where a click would set a point
                    points.PointPositionDefinedEvent,
                    points.PointPositionUndefinedEvent,
                    points.PointEndInteractionEvent,
                ):
                    self._observations.addObserver(points, event, lambda *_: self.applySoon())
                mode, changed = _interaction(), _interaction().InteractionModeChangedEvent
                self._observations.addObserver(mode, changed, lambda *_: self._drawButtons())
        self._drawButtons()

    def _drawButtons(self) -> None:
        self._ui.clickButton.checked = self._isPlacing
        self._ui.unclickButton.enabled = bool(readPoints(self._points))

    def applySoon(self) -> None:
        """Apply the points once what changes them is through."""
        self._timer.start()

    @property
    def _isPlacing(self) -> bool:
        if self._points is None:
            return False
        isOurs = _selection().GetActivePlaceNodeID() == self._points.GetID()
        return isOurs and _interaction().GetCurrentInteractionMode() == _interaction().Place

    @told
    def onClicked(self) -> None:
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
        _selection().SetReferenceActivePlaceNodeClassName(POINTS_CLASS)
        _selection().SetActivePlaceNodeID(self._points.GetID())
        _interaction().SwitchToPersistentPlaceMode()

    @told
    def takeBack(self) -> None:
        """Remove the last point, and what it changed."""
        self._points.RemoveNthControlPoint(placedPoints(self._points)[-1])

    @told
    def apply(self) -> None:
        """Bring the result in line with its points; a new one that is refused is removed."""
        segmentation = self._resultPanel.segmentation
        self.draw(segmentation)
        points = self._points
        if points is None:
            return
        new = newPoints(points)
        if not new and readPoints(points) == clicksIn(readState(segmentation)):
            self._drawButtons()
            return
        sortPoints(points, brainMask(segmentation), sourceOf(segmentation))
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


def _selection():
    return slicer.mrmlScene.GetNodeByID("vtkMRMLSelectionNodeSingleton")


def _interaction():
    return slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
