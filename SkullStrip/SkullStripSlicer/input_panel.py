"""The panel's first part: which scan, and a word about it before anything runs."""

from __future__ import annotations

from collections.abc import Callable

import slicer

from .active_volume import BackgroundObserver, activeBackground
from .volume_node import inspectVolume

WARNING_STYLE = "color: #b35900;"
ERROR_STYLE = "color: #b00020;"


class InputPanel:
    """Follows the volume that is shown until the user picks another.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file by name.
    changed : callable
        Called without arguments when the chosen scan gets other voxels.
    """

    def __init__(self, ui, changed: Callable[[], None]) -> None:
        self._ui, self._changed = ui, changed
        self._volumeObserver = None
        self._parameterNode = None
        self._observer = None
        self._shown = None
        self.isRefused = True

    def setParameterNode(self, parameterNode) -> None:
        """Work on these settings; None while there are none."""
        self._parameterNode = parameterNode
        self._shown = None
        self.stop()
        if parameterNode is not None:
            self._observer = BackgroundObserver(slicer.mrmlScene, self.follow)
            self.follow()
            self.update()

    def stop(self) -> None:
        """Stop following."""
        if self._observer is not None:
            self._observer.stop()
            self._observer = None
        self._observeVolume(None)

    def follow(self) -> None:
        """Choose the volume that is shown, unless the user chose one."""
        node = self._parameterNode
        if node is None or not node.followActive:
            return
        shown = activeBackground(slicer.mrmlScene)
        if shown is not None and node.inputVolume is not shown:
            node.inputVolume = shown

    def chosenByUser(self) -> None:
        """The user picked a volume in the selector."""
        if self._parameterNode is not None:
            self._parameterNode.followActive = False

    def update(self) -> None:
        """Say what is noticed about the scan; nothing for an ordinary one."""
        volume = self._parameterNode.inputVolume if self._parameterNode else None
        image = volume.GetImageData() if volume else None
        key = (volume.GetID(), image and image.GetMTime()) if volume else None
        if key is not None and key == self._shown:
            return
        self._shown = key
        self._observeVolume(volume)
        checks = inspectVolume(volume) if volume else ()
        self.isRefused = volume is None or any(check.severity == "refuse" for check in checks)
        notice = self._ui.inputNotice
        notice.text = "\n".join(check.message for check in checks if check.severity != "note")
        notice.visible = bool(notice.text)
        notice.styleSheet = ERROR_STYLE if self.isRefused else WARNING_STYLE

    def _observeVolume(self, volume) -> None:
        """Hear of new voxels: a node may be chosen before it has any."""
        if self._volumeObserver is not None:
            node, tag = self._volumeObserver
            node.RemoveObserver(tag)
            self._volumeObserver = None
        if volume is not None:
            event = slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent
            tag = volume.AddObserver(event, lambda *_: self._changed())
            self._volumeObserver = (volume, tag)
