"""The panel's first part: which scan, and a word about it before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk

from skullstrip.checks.input_checks import Check

from . import outputs
from .panel import NodesObserver, Panel, told
from .scene_scans import SCALAR
from .volume_node import inspectVolume, worldAffine

FIRST_VIEW = "Red"
VIEW_CLASS = "vtkMRMLSliceCompositeNode"


class InputPanel(Panel):
    """Follows the volume that is shown until the user picks another.

    `changed()` is called when the chosen scan gets other voxels, or another place.
    """

    def __init__(self, ui, changed: Callable[[], None]) -> None:
        super().__init__(ui, ui.inputNotice)
        self._changed = changed
        self._observations = slicer.util.VTKObservationMixin()
        self._observers = (
            NodesObserver(SCALAR, self.hideOutputs),
            NodesObserver(VIEW_CLASS, self.follow),
        )
        self._inspected: Any = None
        self._checks: tuple[Check, ...] = ()
        self.isRefused = True
        ui.inputSelector.connect("nodeActivated(vtkMRMLNode*)", self.onActivated)

    def setParameterNode(self, parameterNode) -> None:
        """Work on these settings; None while there are none."""
        super().setParameterNode(parameterNode)
        for observer in self._observers:
            observer.stop()
        if parameterNode is not None:
            self.hideOutputs()
            for observer in self._observers:
                observer.start(slicer.mrmlScene)

    @told
    def hideOutputs(self) -> None:
        """Offer scans alone in the selector, not what we made of them."""
        nodes = slicer.util.getNodesByClass(SCALAR, slicer.mrmlScene)
        ours = [node.GetID() for node in nodes if outputs.isOurs(node)]
        model = self._ui.inputSelector.sortFilterProxyModel()
        if list(model.hiddenNodeIDs) != ours:
            model.hiddenNodeIDs = ours

    @told
    def follow(self) -> None:
        """Choose the volume that is shown, unless the user chose one."""
        node = self._parameterNode
        if node is None or not node.followActive or slicer.mrmlScene.IsBatchProcessing():
            return
        shown = activeBackground(slicer.mrmlScene)
        isScan = shown is not None and not outputs.isOurs(shown)
        if isScan and node.inputVolume is not shown:
            node.inputVolume = shown

    @told
    def onActivated(self, volume) -> None:
        """Stop following when the user picks a volume; the one that is shown is followed again.

        The selector also tells of a node that the program set, the parameter node's doing.
        """
        node = self._parameterNode
        if node is not None and not node._updatingGUIFromParameterNode:
            node.followActive = volume is activeBackground(slicer.mrmlScene)

    def draw(self) -> None:
        """Say what is noticed about the scan; nothing for an ordinary one."""
        volume = self._parameterNode.inputVolume if self._parameterNode else None
        image = volume.GetImageData() if volume else None
        key = None
        if volume is not None:
            key = (volume.GetID(), worldAffine(volume).tobytes(), image and image.GetMTime())
        if key is None or key != self._inspected:
            self._inspected = key
            self._observeVolume(volume)
            self._checks = inspectVolume(volume) if volume else ()
        self.isRefused = volume is None or any(c.severity == "refuse" for c in self._checks)
        text = "\n".join(check.message for check in self._checks if check.severity != "note")
        self._say(text, "error" if self.isRefused else "warning")

    def _observeVolume(self, volume) -> None:
        """Hear of new voxels, for a node may be chosen before it has any, and of another place."""
        self._observations.removeObservers()
        if volume is not None:
            for event in (
                volume.ImageDataModifiedEvent,
                volume.TransformModifiedEvent,
                vtk.vtkCommand.ModifiedEvent,
            ):
                self._observations.addObserver(volume, event, lambda *_: self._changed())


def activeBackground(scene):
    """Return the scalar volume in the background of the red view, else of any other; or None."""
    views = slicer.util.getNodesByClass(VIEW_CLASS, scene)
    views.sort(key=lambda view: view.GetLayoutName() != FIRST_VIEW)
    for view in views:
        node = scene.GetNodeByID(view.GetBackgroundVolumeID() or "")
        if node is not None and node.IsA("vtkMRMLScalarVolumeNode"):
            return node
    return None
