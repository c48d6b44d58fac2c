"""One request to the child process, from its temporary folder to its result or its error."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from skullstrip.errors import Cancelled, EngineError, InputError, SkullStripError
from skullstrip.worker.child import parse_event

from .child_process import ChildProcess, childCommand

REQUEST_NAME = "request.json"
LAST_WORDS = 8  # lines of a crashed child that are kept
PUMP_SECONDS = 0.02
_ERRORS = {InputError.exit_code: InputError, Cancelled.exit_code: Cancelled}


class ChildRun:
    """A run of the child; `onFinished(run)` is called once, whatever happens.

    Parameters
    ----------
    process : ChildProcess
        Not started yet.
    onEvent : callable
        Gets every event of `skullstrip.worker.child` as a dict.
    onFinished : callable
        Gets this run, with `error` set when it failed, while its folder still exists.

    Attributes
    ----------
    folder : Path
        Temporary; gone after the run.
    report : dict or None
        The child's result.
    error : SkullStripError or None
    """

    def __init__(
        self,
        process: ChildProcess,
        onEvent: Callable[[dict[str, Any]], None],
        onFinished: Callable[[ChildRun], None],
    ) -> None:
        self._process, self._onEvent, self._onFinished = process, onEvent, onFinished
        self._pid: int | None = None
        self._tail: deque[str] = deque(maxlen=LAST_WORDS)
        self._failure: SkullStripError | None = None
        self.report: dict[str, Any] | None = None
        self.error: SkullStripError | None = None
        self.isFinished = False
        self.folder = Path(tempfile.mkdtemp(prefix="skullstrip-", dir=temporaryPath()))

    def start(self, request: dict[str, Any]) -> None:
        """Write the request and start the child; the folder goes if that fails."""
        try:
            path = self.folder / REQUEST_NAME
            path.write_text(json.dumps({**request, "parent_pid": os.getpid()}), encoding="utf-8")
            self._process.start(
                childCommand(path), str(self.folder), self._receive, self._processFinished
            )
        except OSError as error:
            self.discard()
            raise EngineError(
                f"The process for the network cannot be started ({error})."
            ) from error
        except BaseException:
            self.discard()
            raise

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
        (self.folder / REQUEST_NAME).unlink(missing_ok=True)  # ends even a child not heard of yet
        try:
            self._process.end(self._pid)
        finally:
            self._finish(Cancelled(reason))

    def discard(self) -> None:
        """Remove the temporary folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

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
        try:
            self._onFinished(self)
        finally:
            self.discard()


def temporaryPath() -> str | None:
    """Slicer's folder for temporary files; the system's where there is no application."""
    app = getattr(slicer, "app", None)
    return app.temporaryPath if app is not None else None
