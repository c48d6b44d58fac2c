"""The panel's large button: strip, or cancel while it runs, with progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from skullstrip.errors import Cancelled

from .parameter_node import runOptions
from .progress_text import ProgressText
from .telling import STATUS_MILLISECONDS, say, sentence, told


class RunPanel:
    """One run at a time.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file by name.
    logic : StripLogic
    changed : callable
        Called without arguments when a run began or ended.
    ensurePackages : callable
        As `AdvancedPanel.ensurePackages`.
    """

    def __init__(
        self,
        ui,
        logic,
        changed: Callable[[], None],
        ensurePackages: Callable[[str, str], None],
    ) -> None:
        self._ui, self._logic, self._changed = ui, logic, changed
        self._ensurePackages = ensurePackages
        self._parameterNode: Any = None
        self._run: Any = None
        self._isStarting = False
        ui.stripButton.connect("clicked()", self.onClicked)
        self._showIdle()
        self._say("")

    def setParameterNode(self, parameterNode) -> None:
        """Work on these settings; a run goes on, unless its own scan goes away."""
        self._parameterNode = parameterNode

    @property
    def isRunning(self) -> bool:
        """Whether a run is on."""
        return self._run is not None

    @told
    def onClicked(self) -> None:
        """Cancel or start."""
        if self.isRunning:
            self.cancel()
        elif not self._isStarting and self._parameterNode is not None:
            self._isStarting = True  # the question about packages lets further clicks through
            try:
                self.start()
            finally:
                self._isStarting = False

    def start(self) -> None:
        """Ask for packages if need be, then run."""
        node = self._parameterNode
        self._say("")
        self._ensurePackages(node.engine.value, node.wheels.strip())
        self._text = ProgressText()
        self._run = self._logic.strip(
            node.inputVolume,
            options=runOptions(node),
            invert=node.invert,
            brain=node.makeBrain,
            probability=node.makeProbability,
            confidence=node.makeConfidence,
            progress=self._onProgress,
            finished=self._onFinished,
        )
        if self._run.isFinished:  # as quick as that, or failed at once
            self._run = None
            return
        self._ui.stripButton.text = _("Cancel")
        self._ui.progressBar.visible = True
        self._onProgress("check", 0, 0)
        self._changed()

    def cancel(self) -> None:
        """End the run, if one is on."""
        if self._run is not None:
            self._run.cancel()

    @told
    def _onProgress(self, stage: str, done: int, total: int) -> None:
        self._ui.progressBar.value, text = self._text.update(stage, done, total)
        self._say(text)

    @told
    def _onFinished(self, run) -> None:
        self._run = None
        self._showIdle()
        if run.error is None:
            self._say("")
            text = _("The brain in '{name}' is found.").format(name=run.volumeNode.GetName())
        else:
            text = sentence(run.error)
            self._say(text, "" if isinstance(run.error, Cancelled) else "error")
        slicer.util.showStatusMessage(f"SkullStrip: {text}", STATUS_MILLISECONDS)
        self._changed()

    def tell(self, text: str) -> None:
        """Show what went wrong."""
        if not self.isRunning:
            self._showIdle()
        self._say(text, "error")

    def _showIdle(self) -> None:
        self._ui.stripButton.text = _("Strip skull")
        self._ui.progressBar.visible = False
        self._ui.progressBar.value = 0

    def _say(self, text: str, tone: str = "") -> None:
        say(self._ui.progressLabel, text, tone)
