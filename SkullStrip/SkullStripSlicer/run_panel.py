"""The panel's large button, with progress; and what all buttons that start a run have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from skullstrip.errors import Cancelled

from .parameter_node import runOptions
from .progress_text import ProgressText
from .telling import STATUS_MILLISECONDS, say, sentence, told


class Running:
    """A part of the panel whose button starts one run at a time, and cancels it.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file by name.
    label : QLabel
        Where it speaks.
    logic : StripLogic
    ensurePackages : callable
        As `AdvancedPanel.ensurePackages`.
    """

    def __init__(self, ui, label, logic, ensurePackages: Callable[[str, str], None]) -> None:
        self._ui, self._label, self._logic = ui, label, logic
        self._ensurePackages = ensurePackages
        self._parameterNode: Any = None
        self._run: Any = None
        self._isStarting = False
        self._say("")

    def setParameterNode(self, parameterNode) -> None:
        """Work on these settings; what runs goes on."""
        self._parameterNode = parameterNode

    @property
    def isRunning(self) -> bool:
        """Whether a run is on."""
        return self._run is not None

    def cancel(self) -> None:
        """End the run, if one is on."""
        if self._run is not None:
            self._run.cancel()

    def _clicked(self, start: Callable[[Any], Any]) -> None:
        """Cancel, or ask for packages if need be and `start(parameterNode)` a run."""
        if self._run is not None:
            self.cancel()
        elif not self._isStarting and self._parameterNode is not None:
            node = self._parameterNode
            self._isStarting = True  # the question about packages lets further clicks through
            try:
                self._ensurePackages(node.engine.value, node.wheels.strip())
                run = start(node)
            finally:
                self._isStarting = False
            if not run.isFinished:  # else it was as quick as that, or failed at once and said so
                self._run = run
                self._showRunning()

    def _ended(self, text: str, tone: str = "", *, said: str | None = None) -> None:
        """Say how a run ended, in the panel and in the status bar."""
        self._run = None
        self._showIdle()
        self._say(text if said is None else said, tone)
        slicer.util.showStatusMessage(f"SkullStrip: {text}", STATUS_MILLISECONDS)

    def tell(self, text: str) -> None:
        """Show what went wrong."""
        self._say(text, "error")

    def _say(self, text: str, tone: str = "") -> None:
        say(self._label, text, tone)

    def _showRunning(self) -> None:
        raise NotImplementedError

    def _showIdle(self) -> None:
        raise NotImplementedError


class RunPanel(Running):
    """The large button.

    Parameters
    ----------
    changed : callable
        Called without arguments when a run began or ended.
    """

    def __init__(
        self,
        ui,
        logic,
        changed: Callable[[], None],
        ensurePackages: Callable[[str, str], None],
    ) -> None:
        super().__init__(ui, ui.progressLabel, logic, ensurePackages)
        self._changed = changed
        ui.stripButton.connect("clicked()", self.onClicked)
        self._showIdle()

    @told
    def onClicked(self) -> None:
        """Cancel or start."""
        self._clicked(self._start)

    def _start(self, node):
        self._text = ProgressText()
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
        self._changed()

    @told
    def _onProgress(self, stage: str, done: int, total: int) -> None:
        self._ui.progressBar.value, text = self._text.update(stage, done, total)
        self._say(text)

    @told
    def _onFinished(self, run) -> None:
        if run.error is None:
            text = _("The brain in '{name}' is found.").format(name=run.volumeNode.GetName())
            self._ended(text, said="")  # the result says it
        else:
            tone = "" if isinstance(run.error, Cancelled) else "error"
            self._ended(sentence(run.error), tone)
        self._changed()

    def tell(self, text: str) -> None:
        """Show what went wrong."""
        if not self.isRunning:
            self._showIdle()
        super().tell(text)

    def _showIdle(self) -> None:
        self._ui.stripButton.text = _("Strip skull")
        self._ui.progressBar.visible = False
        self._ui.progressBar.value = 0
