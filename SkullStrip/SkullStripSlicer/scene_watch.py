"""What the scene shows, and word of its changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


class NodesObserver:
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
        self._kind, self._changed, self._events = kind, changed, events
        self._observed = []
        for node in slicer.util.getNodesByClass(kind, scene):
            self._observe(node)
        for event, slot in (
            (scene.NodeAddedEvent, self._onNodeAdded),
            (scene.NodeRemovedEvent, self._onNodeRemoved),
        ):
            self._observed.append((scene, scene.AddObserver(event, slot)))

    def stop(self) -> None:
        """Observe nothing any more."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = []

    def _observe(self, node) -> None:
        for event in self._events:
            self._observed.append((node, node.AddObserver(event, lambda *_: self._changed())))

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, _caller, _event, node) -> None:
        if node.IsA(self._kind):
            self._observe(node)
            self._changed()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, _caller, _event, node) -> None:
        if node.IsA(self._kind):
            self._observed = [pair for pair in self._observed if pair[0] is not node]
            self._changed()
