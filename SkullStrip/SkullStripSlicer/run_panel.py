"""The panel's first part: which scan, a word about it, the large button, and its run in words."""

from __future__ import annotations

import time
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from skullstrip.checks.input_checks import Check
from skullstrip.errors import Cancelled

from . import outputs, results
from .panel import DRAW_DELAY_MS, NodesObserver, RunningPanel, say, sentence, timer, told
from .parameter_node import runOptions
from .voxels import SCALAR, inspectVolume, worldAffine

FIRST_VIEW = "Red"
VIEW_CLASS = "vtkMRMLSliceCompositeNode"
VOLUME_EVENTS = (
    vtk.vtkCommand.ModifiedEvent,
    slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent,
    slicer.vtkMRMLVolumeNode.TransformModifiedEvent,
)
MINUTE = 60


class RunPanel(RunningPanel):
    """Follows the volume that is shown until the user picks another, and strips it."""

    def __init__(self, widget) -> None:
        super().__init__(widget, widget.ui.progressLabel)
        self._observers = (
            NodesObserver(SCALAR, self._onVolumesChanged, VOLUME_EVENTS),
            NodesObserver(VIEW_CLASS, self.follow),
            NodesObserver("vtkMRMLLayoutNode", self.follow),
        )
        self._drawTimer = timer(DRAW_DELAY_MS, widget.onScanChanged)
        self._inspected: Any = None
        self._checks: tuple[Check, ...] = ()
        self._ui.inputSelector.connect("nodeActivated(vtkMRMLNode*)", self._onActivated)
        self._connect(stripButton=lambda: self._clicked(self._start))
        self._showIdle()

    def setScene(self, scene) -> None:
        """Observe this scene; None for one that is closed."""
        super().setScene(scene)
        self._drawTimer.stop()
        if scene is not None:
            self._hideOutputs()

    @told
    def _onVolumesChanged(self) -> None:
        """Hear of new voxels, for a node may be chosen before it has any, and of another place.

        They are looked at once they rest: while they change their number may not fit the grid.
        """
        self._hideOutputs()
        isOther = self._parameterNode is not None and self._scanAsItIs() != self._inspected
        if isOther and self._widget.parent.isEntered:
            self._drawTimer.start()

    def _hideOutputs(self) -> None:
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
    def _onActivated(self, volume) -> None:
        """Stop following when the user picks a volume; the one that is shown is followed again.

        The selector also tells of a node that the program set, the parameter node's doing.
        """
        node = self._parameterNode
        if node is not None and not node._updatingGUIFromParameterNode:
            node.followActive = volume is activeBackground(slicer.mrmlScene)

    @told
    def draw(self) -> None:
        """Say what is noticed about the scan, nothing for an ordinary one; refuse what is none."""
        volume = self._parameterNode.inputVolume if self._parameterNode else None
        scan = self._scanAsItIs()
        if scan != self._inspected:
            self._inspected = scan
            self._checks = inspectVolume(volume) if volume else ()
        isRefused = any(check.severity == "refuse" for check in self._checks)
        text = "\n".join(check.message for check in self._checks if check.severity != "note")
        say(self._ui.inputNotice, text, "error" if isRefused else "warning")
        self._ui.stripButton.enabled = self.isRunning or (volume is not None and not isRefused)

    def _scanAsItIs(self) -> Any:
        """Return what is another when the scan, its voxels or its place are."""
        volume = self._parameterNode.inputVolume if self._parameterNode else None
        if volume is None:
            return None
        image = volume.GetImageData()
        return volume.GetID(), worldAffine(volume).tobytes(), image and image.GetMTime()

    def _start(self, node):
        self._predictionBegan = time.monotonic()
        return self._logic.strip(
            node.inputVolume,
            options=runOptions(node),
            invert=node.invert,
            brain=node.makeBrain,
            probability=node.makeProbability,
            confidence=node.makeConfidence,
            progress=self._onProgress,
            finished=self._onFinished,
        )

    def _showRunning(self) -> None:
        self._ui.stripButton.text = _("Cancel")
        self._ui.progressBar.visible = True
        self._onProgress("check", 0, 0)
        self._widget.onRunChanged()

    @told
    def _onProgress(self, stage: str, done: int, total: int) -> None:
        percent, words = stages().get(stage, (0, stage))
        if stage == "predict" and total > 0:
            now = time.monotonic()
            if done == 0:
                self._predictionBegan = now
            else:
                percent += int((stages()["judge"][0] - percent) * done / total)
                slices = _("slice {done} of {total}").format(done=done, total=total)
                left = timeLeft((now - self._predictionBegan) * (total - done) / done)
                words = f"{words}: {slices}, {left}"
        self._ui.progressBar.value = percent
        self._say(words)

    @told
    def _onFinished(self, run) -> None:
        if run.error is None:
            text = _("The brain in '{name}' is found.").format(name=run.volumeNode.GetName())
            self._ended(text, said="")  # the result says it
            run.segmentationNode.CreateDefaultDisplayNodes()
            run.segmentationNode.GetDisplayNode().SetVisibility(True)  # it may have been hidden
        else:
            tone = "" if isinstance(run.error, Cancelled) else "error"
            self._ended(sentence(run.error), tone)
        self._widget.onRunChanged()
        if run.error is None:
            results.measureAhead(run.segmentationNode)  # so that the border's slider is live

    def _showIdle(self) -> None:
        self._ui.stripButton.text = _("Strip skull")
        self._ui.progressBar.visible = False
        self._ui.progressBar.value = 0


def activeBackground(scene):
    """Return the scalar volume in the background of a view of the layout, the red one first.

    Where none of them has one, that of a view that is not shown, or None.
    """

    def isShown(view) -> bool:
        slices = slicer.vtkMRMLSliceLogic.GetSliceNode(view)
        return slices is not None and bool(slices.IsMappedInLayout())

    views = slicer.util.getNodesByClass(VIEW_CLASS, scene)
    views.sort(key=lambda view: (not isShown(view), view.GetLayoutName() != FIRST_VIEW))
    nodes = [scene.GetNodeByID(view.GetBackgroundVolumeID() or "") for view in views]
    return next((node for node in nodes if node is not None and node.IsA(SCALAR)), None)


def timeLeft(seconds: float) -> str:
    """Round as people say it."""
    if seconds < MINUTE:
        return _("about {seconds} s left").format(seconds=max(1, round(seconds)))
    return _("about {minutes} min left").format(minutes=round(seconds / MINUTE))


def stages() -> dict[str, tuple[int, str]]:
    """Return where each stage begins, in percent of a run on an ordinary computer, and its name."""
    return {
        "check": (0, _("Checking the scan")),
        "load": (2, _("Loading the network")),
        "prepare": (15, _("Preparing the scan")),
        "predict": (20, _("Finding the brain")),
        "judge": (84, _("Judging the mask")),
        "restore": (92, _("Returning to the scan's grid")),
        "mask": (96, _("Drawing the mask")),
        "write": (98, _("Writing")),
    }
