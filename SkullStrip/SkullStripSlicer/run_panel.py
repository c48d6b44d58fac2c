"""The panel's large button, and the progress of its run in words."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from skullstrip.errors import Cancelled

from .panel import RunningPanel, sentence, told
from .parameter_node import runOptions

# Where each stage begins, in percent of a run on an ordinary computer.
_BEGINS = {
    "check": 0, "load": 2, "prepare": 15, "predict": 20, "judge": 84, "restore": 92, "mask": 96,
    "write": 98,
}  # fmt: skip
_PREDICT_PERCENT = _BEGINS["judge"] - _BEGINS["predict"]
MINUTE = 60


class RunPanel(RunningPanel):
    """The large button; `changed()` is called when a run began or ended."""

    def __init__(
        self, ui, logic, ensurePackages: Callable[[Any], None], changed: Callable[[], None]
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
        self._changed()

    @told
    def _onProgress(self, stage: str, done: int, total: int) -> None:
        percent, words = _BEGINS.get(stage, 0), stageWords().get(stage, stage)
        if stage == "predict" and total > 0:
            now = time.monotonic()
            if done == 0:
                self._predictionBegan = now
            else:
                percent += int(_PREDICT_PERCENT * done / total)
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


def timeLeft(seconds: float) -> str:
    """Round as people say it."""
    if seconds < MINUTE:
        return _("about {seconds} s left").format(seconds=max(1, round(seconds)))
    return _("about {minutes} min left").format(minutes=round(seconds / MINUTE))


def stageWords() -> dict[str, str]:
    """Return what each stage is called in the panel."""
    return {
        "check": _("Checking the scan"),
        "load": _("Loading the network"),
        "prepare": _("Preparing the scan"),
        "predict": _("Finding the brain"),
        "judge": _("Judging the mask"),
        "restore": _("Returning to the scan's grid"),
        "mask": _("Drawing the mask"),
        "write": _("Writing"),
    }
