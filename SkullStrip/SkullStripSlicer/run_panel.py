"""The panel's large button: strip, or cancel while it runs, with progress."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from slicer.i18n import tr as _

from skullstrip.errors import Cancelled, SkullStripError

from . import dependencies
from .parameter_node import runOptions
from .progress_text import ProgressText


class RunPanel:
    """One run at a time.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file by name.
    logic : StripLogic
    stripped : callable
        Gets the segmentation of a run that succeeded.
    ensurePackages : callable
        As `dependencies.ensure`.
    """

    def __init__(
        self,
        ui,
        logic,
        stripped: Callable,
        ensurePackages: Callable = dependencies.ensure,
    ) -> None:
        self._ui, self._logic, self._stripped = ui, logic, stripped
        self._ensurePackages = ensurePackages
        self._parameterNode = None
        self._run = None
        self._isStarting = False
        ui.stripButton.connect("clicked()", self.onClicked)
        self._showIdle()
        self._say("")

    def setParameterNode(self, parameterNode) -> None:
        """Work on these settings; a run on others ends."""
        if parameterNode is not self._parameterNode:
            self.cancel()
        self._parameterNode = parameterNode

    @property
    def isRunning(self) -> bool:
        """Whether a run is on."""
        return self._run is not None

    def onClicked(self) -> None:
        """The button was clicked: cancel or start."""
        if self.isRunning:
            self.cancel()
        elif not self._isStarting and self._parameterNode is not None:
            self._isStarting = True  # the question about packages lets further clicks through
            try:
                self.start()
            finally:
                self._isStarting = False

    def start(self) -> None:
        """Ask for packages if need be, then run; problems are shown, never raised."""
        node = self._parameterNode
        self._say("")
        try:
            ask = slicer.util.confirmOkCancelDisplay
            self._ensurePackages(ask, node.engine.value, node.wheels.strip())
            self._text = ProgressText()
            self._run = self._logic.strip(
                node.inputVolume,
                options=runOptions(node),
                invert=node.invert,
                stripped=node.makeStripped,
                probability=node.makeProbability,
                confidence=node.makeConfidence,
                progress=self._onProgress,
                finished=self._onFinished,
            )
        except SkullStripError as error:
            self._showIdle()
            self._say(str(error))
            return
        if self._run.isFinished:  # as quick as that, or failed at once
            self._run = None
            return
        self._ui.stripButton.text = _("Cancel")
        self._ui.progressBar.visible = True
        self._onProgress("check", 0, 0)

    def cancel(self) -> None:
        """End the run, if one is on."""
        if self._run is not None:
            self._run.cancel()

    def _onProgress(self, stage: str, done: int, total: int) -> None:
        self._ui.progressBar.value, text = self._text.update(stage, done, total)
        self._say(text)

    def _onFinished(self, run) -> None:
        self._run = None
        self._showIdle()
        if run.error is None:
            self._say("")
            self._stripped(run.segmentationNode)
        elif isinstance(run.error, Cancelled):
            self._say(_("Cancelled; nothing was changed."))
        else:
            self._say(str(run.error))

    def _showIdle(self) -> None:
        self._ui.stripButton.text = _("Strip skull")
        self._ui.progressBar.visible = False
        self._ui.progressBar.value = 0

    def _say(self, text: str) -> None:
        self._ui.progressLabel.text = text
        self._ui.progressLabel.visible = bool(text)
