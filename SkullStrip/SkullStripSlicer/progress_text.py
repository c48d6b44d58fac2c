"""Progress in words: stage, share of the whole, and how long it will still take."""

from __future__ import annotations

import time
from collections.abc import Callable

from slicer.i18n import tr as _

# Where each stage begins, in percent of a run on an ordinary computer.
_BEGINS = {
    "check": 0, "load": 2, "prepare": 15, "predict": 20, "judge": 84, "restore": 92, "mask": 96,
    "write": 98,
}  # fmt: skip
_PREDICT_PERCENT = _BEGINS["judge"] - _BEGINS["predict"]
MINUTE = 60


class ProgressText:
    """Turns (stage, done, total) into a percentage and a line.

    Parameters
    ----------
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin = clock()

    def update(self, stage: str, done: int, total: int) -> tuple[int, str]:
        """Percent of the whole run, and what to show beside it."""
        percent = _BEGINS.get(stage, 0)
        words = stageWords().get(stage, stage)
        if stage != "predict" or total <= 0:
            return percent, words
        if done == 0:
            self._begin = self._clock()
            return percent, words
        percent += int(_PREDICT_PERCENT * done / total)
        left = (self._clock() - self._begin) * (total - done) / done
        slices = _("slice {done} of {total}").format(done=done, total=total)
        return percent, f"{words}: {slices}, {timeLeft(left)}"


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
