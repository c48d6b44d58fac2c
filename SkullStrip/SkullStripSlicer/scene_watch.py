"""What the scene shows, and word of its changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import slicer
import vtk

FIRST_VIEW = "Red"
VIEW_CLASS = "vtkMRMLSliceCompositeNode"


def activeBackground(scene):
    """Return the scalar volume in the background of the red view, else of any other; or None."""
    views = slicer.util.getNodesByClass(VIEW_CLASS, scene)
    views.sort(key=lambda view: view.GetLayoutName() != FIRST_VIEW)
    for view in views:
        node = scene.GetNodeByID(view.GetBackgroundVolumeID() or "")
        if node is not None and node.IsA("vtkMRMLScalarVolumeNode"):
            return node
    return None


class Observations:
    """Observers of nodes that are taken off together."""

    def __init__(self) -> None:
        self._tags: list[tuple[Any, int]] = []

    def add(self, node, event: int, slot: Callable[..., None]) -> None:
        """Call `slot` whenever the node tells of the event."""
        self._tags.append((node, node.AddObserver(event, slot)))

    def stop(self, node=None) -> None:
        """Observe nothing any more; forget one node, which is gone, where it is given."""
        if node is not None:
            self._tags = [pair for pair in self._tags if pair[0] is not node]
            return
        for observed, tag in self._tags:
            observed.RemoveObserver(tag)
        self._tags = []


class NodesObserver(Observations):
    """Calls back when a node of a class changes, comes or goes, until `stop`.

    Parameters
    ----------
    scene : vtkMRMLScene
    kind : str
        The class.
    changed : callable
        Without arguments.
    events : sequence of int
        Of the nodes.
    """

    def __init__(
        self,
        scene,
        kind: str,
        changed: Callable[[], None],
        events: Sequence[int] = (vtk.vtkCommand.ModifiedEvent,),
    ) -> None:
        super().__init__()
        self._kind, self._changed, self._events = kind, changed, events
        for node in slicer.util.getNodesByClass(kind, scene):
            self._observe(node)
        self.add(scene, scene.NodeAddedEvent, self._onNodeAdded)
        self.add(scene, scene.NodeRemovedEvent, self._onNodeRemoved)

    def _observe(self, node) -> None:
        for event in self._events:
            self.add(node, event, lambda *_: self._changed())

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, _caller, _event, node) -> None:
        if node.IsA(self._kind):
            self._observe(node)
            self._changed()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, _caller, _event, node) -> None:
        if node.IsA(self._kind):
            self.stop(node)
            self._changed()
