"""The volume that is shown: the background of the slice views."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk

FIRST_VIEW = "Red"


def activeBackground(scene):
    """The scalar volume in the background of the red view, else of any other; or None."""
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", scene)
    views.sort(key=lambda view: view.GetLayoutName() != FIRST_VIEW)
    for view in views:
        node = scene.GetNodeByID(view.GetBackgroundVolumeID() or "")
        if node is not None and node.IsA("vtkMRMLScalarVolumeNode"):
            return node
    return None


class BackgroundObserver:
    """Calls back when the background of a slice view changes, until `stop`.

    Parameters
    ----------
    scene : vtkMRMLScene
    changed : callable
        Without arguments.
    """

    def __init__(self, scene, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._observed = []
        for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", scene):
            self._observe(view)
        event = slicer.vtkMRMLScene.NodeAddedEvent
        self._observed.append((scene, scene.AddObserver(event, self._onNodeAdded)))

    def stop(self) -> None:
        """Observe nothing any more."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = []

    def _observe(self, view) -> None:
        tag = view.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._changed())
        self._observed.append((view, tag))

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, _caller, _event, node) -> None:
        if node.IsA("vtkMRMLSliceCompositeNode"):
            self._observe(node)
