"""One request to a child process, to its result or its error."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import slicer

from skullstrip.errors import Cancelled, EngineError, InputError, SkullStripError
from skullstrip.worker.child import parse_event

from .child_process import Children

LAST_WORDS = 8  # lines of a crashed child that are kept
PUMP_SECONDS = 0.02
_ERRORS = {InputError.exit_code: InputError, Cancelled.exit_code: Cancelled}


class ChildRun:
    """A run of a child.

    `onEvent` gets every event of `skullstrip.worker.child` as a dict, `onFinished` this run, once,
    whatever happens. `children` has the process, and gets it back where it stays for another run.

    Attributes
    ----------
    report : dict
        The child's result; empty before it is there.
    error : SkullStripError or None
        Why it failed.
    isFinished : bool
        Whether nothing more will come of this run.
    """

    def __init__(
        self,
        children: Children,
        onEvent: Callable[[dict[str, Any]], None],
        onFinished: Callable[[Any], None] | None,
    ) -> None:
        self._children, self._onEvent, self._onFinished = children, onEvent, onFinished
        self._pid: int | None = None
        self._tail: deque[str] = deque(maxlen=LAST_WORDS)
        self._failure: SkullStripError | None = None
        self._hasResult = False
        self.report: dict[str, Any] = {}
        self.error: SkullStripError | None = None
        self.isFinished = False

    def send(self, request: dict[str, Any]) -> None:
        """Hand the request over."""
        self._process = self._children.take()
        self._process.serve(json.dumps(request), self._receive, self._processFinished)

    def wait(self) -> Any:
        """Block until the run is over; Ctrl+C cancels it. Raise what ended it, if it failed."""
        try:
            while not self.isFinished:
                slicer.app.processEvents()
                time.sleep(PUMP_SECONDS)
        except KeyboardInterrupt:
            self.cancel()
            raise
        if self.error is not None:
            raise self.error

    def cancel(self, reason: str = "The run was cancelled; nothing was changed.") -> None:
        """End the child and everything it started; no effect on a finished run."""
        if self.isFinished:
            return
        self.isFinished = True  # what the process still says is nobody's business
        try:
            self._process.end(self._pid)
        finally:
            self._finish(Cancelled(reason))

    def _receive(self, line: str) -> None:
        if self.isFinished:
            return
        event = parse_event(line)
        if event is None:
            self._tail.append(line)
            return
        if event["event"] == "started":
            pid = event.get("pid")
            self._pid = pid if isinstance(pid, int) and pid > 1 else None
        elif event["event"] == "result":
            self._hasResult, self.report = True, event.get("report") or {}
        elif event["event"] == "error":
            kind = _ERRORS.get(event.get("exit_code", 1), EngineError)
            self._failure = kind(str(event.get("message")))
        self._onEvent(event)
        if event.get("stays"):
            self.isFinished = True
            self._children.rest(self._process)
            self._finish(None)

    def _processFinished(self, status: int) -> None:
        if not self.isFinished:
            self.isFinished = True
            self._finish(self._failure or self._unexpected(status))

    def _unexpected(self, status: int) -> SkullStripError | None:
        """Return what to say of a child that ended without a word; None if it has done its work."""
        if status == 0 and self._hasResult:
            return None
        words = " ".join(" ".join(self._tail).split()) or "it said nothing"
        return EngineError(
            f"The process that runs the network ended unexpectedly (exit status {status}); try "
            f"again, or another engine. Its last words: {words}"
        )

    def _finish(self, error: SkullStripError | None) -> None:
        self.error = error
        if self._onFinished is not None:
            self._onFinished(self)
