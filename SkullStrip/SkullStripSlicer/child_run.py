"""One request to a child process, to its result or its error."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from skullstrip.errors import Cancelled, EngineError, InputError, SkullStripError
from skullstrip.worker.child import parse_event

from .child_process import Children

LAST_WORDS = 8  # lines of a crashed child that are kept
PUMP_SECONDS = 0.02
_ERRORS = {InputError.exit_code: InputError, Cancelled.exit_code: Cancelled}


class ChildRun:
    """A run of a child; `onFinished(run)` is called once, whatever happens.

    Parameters
    ----------
    children : Children
        Has the process, and gets it back where it stays for another run.
    onEvent : callable
        Gets every event of `skullstrip.worker.child` as a dict.
    onFinished : callable
        Gets this run, with `error` set when it failed.

    Attributes
    ----------
    report : dict or None
        The child's result.
    error : SkullStripError or None
    """

    def __init__(
        self,
        children: Children,
        onEvent: Callable[[dict[str, Any]], None],
        onFinished: Callable[[ChildRun], None],
    ) -> None:
        self._children, self._onEvent, self._onFinished = children, onEvent, onFinished
        self._pid: int | None = None
        self._tail: deque[str] = deque(maxlen=LAST_WORDS)
        self._failure: SkullStripError | None = None
        self.report: dict[str, Any] | None = None
        self.error: SkullStripError | None = None
        self.isFinished = False

    def start(self, request: dict[str, Any]) -> None:
        """Hand the request over; raise EngineError where no process can be started."""
        try:
            self._process = self._children.take()
            self._process.serve(json.dumps(request), self._receive, self._processFinished)
        except OSError as error:
            raise EngineError(
                f"The process for the network cannot be started ({error})."
            ) from error

    def wait(self) -> None:
        """Block until the run is over; Ctrl+C cancels it.

        Raises
        ------
        SkullStripError
            What ended the run, if it failed.
        """
        try:
            while not self.isFinished:
                self._process.pump()
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
            self.report = event.get("report")
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
        if status == 0 and self.report is not None:
            return None
        words = " ".join(" ".join(self._tail).split()) or "it said nothing"
        return EngineError(
            f"The process that runs the network ended unexpectedly (exit status {status}); try "
            f"again, or another engine. Its last words: {words}"
        )

    def _finish(self, error: SkullStripError | None) -> None:
        self.error = error
        self._onFinished(self)
