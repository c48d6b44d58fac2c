"""Runs: what goes on in a child process meanwhile, and ends once, with a result or an error."""

from __future__ import annotations

import json
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import slicer
import vtk

from skullstrip.errors import Cancelled, EngineError, InputError, SkullStripError
from skullstrip.grid.volume import Volume
from skullstrip.io.volume_archive import Extracted, read_extracted, write_volume
from skullstrip.options import Options
from skullstrip.worker.child import parse_event

from .child_process import Children
from .volume_node import volumeFromNode

LAST_WORDS = 8  # lines of a crashed child that are kept
PUMP_SECONDS = 0.02
_ERRORS = {InputError.exit_code: InputError, Cancelled.exit_code: Cancelled}

Progress = Callable[[str, int, int], None]


class Run:
    """Something that goes on for a while; `finished` gets it at its end, whatever happens.

    Attributes
    ----------
    error : SkullStripError or None
        What ended it early.
    isFinished : bool
        Whether nothing more will come of it.
    """

    def __init__(self, finished: Callable[[Any], None] | None) -> None:
        self._finished = finished
        self.error: SkullStripError | None = None
        self.isFinished = False

    def wait(self) -> Any:
        """Block until the end; Ctrl+C cancels. Return what came of it, or raise what ended it."""
        try:
            while not self.isFinished:
                slicer.app.processEvents()
                time.sleep(PUMP_SECONDS)
        except KeyboardInterrupt:
            self.cancel()
            raise
        if self.error is not None:
            raise self.error

    def cancel(self) -> None:
        """End it now; no effect on a finished one."""
        raise NotImplementedError

    def _finish(self, error: SkullStripError | None) -> None:
        self.error, self.isFinished = error, True
        if self._finished is not None:
            self._finished(self)


class ChildRun(Run):
    """One request to a child: `onEvent` gets every event of `skullstrip.worker.child` as a dict.

    `children` has the process, and gets it back where it stays for another run; `report` is the
    child's result, empty before it is there.
    """

    def __init__(
        self,
        children: Children,
        onEvent: Callable[[dict[str, Any]], None],
        finished: Callable[[Any], None] | None,
    ) -> None:
        super().__init__(finished)
        self._children, self._onEvent = children, onEvent
        self._pid: int | None = None
        self._tail: deque[str] = deque(maxlen=LAST_WORDS)
        self._failure: SkullStripError | None = None
        self._hasResult = False
        self.report: dict[str, Any] = {}

    def send(self, request: dict[str, Any]) -> None:
        """Hand the request over."""
        self._process = self._children.take()
        self._process.serve(json.dumps(request), self._receive, self._processFinished)

    def cancel(self, reason: str = "The run was cancelled; nothing was changed.") -> None:
        """End the child and everything it started."""
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
        if self.isFinished:
            return
        self.isFinished = True
        if self._failure is None and not (status == 0 and self._hasResult):
            words = " ".join(" ".join(self._tail).split()) or "it said nothing"
            self._failure = EngineError(
                f"The process that runs the network ended unexpectedly (exit status {status}); "
                f"try again, or another engine. Its last words: {words}"
            )
        self._finish(self._failure)


class AppliedMask(NamedTuple):
    """A mask that another scan gets."""

    scan: Volume  # where it was found, as it lies in the world
    brainMask: np.ndarray  # (I, J, K)
    verdict: str


class StripRun(ChildRun):
    """A scan on its way through the child process and back into the scene.

    The border of `options` is left out, which is moved here. `deliver` gets what was found, its
    mask at border 0, and the report, and returns the segmentation node; `progress` gets (stage,
    done, total). With `applied`, that mask is carried to the scan.
    """

    def __init__(
        self,
        volumeNode,
        options: Options,
        children: Children,
        deliver: Callable[[Extracted, dict[str, Any]], Any],
        progress: Progress | None = None,
        finished: Callable[[StripRun], None] | None = None,
        *,
        confidence: bool = False,
        applied: AppliedMask | None = None,
    ) -> None:
        super().__init__(children, self._onEvent, finished)
        self.volumeNode, self._options = volumeNode, options
        self._deliver, self._progress = deliver, progress
        self._confidence, self._applied = confidence, applied
        self.segmentationNode = None
        self._observations = slicer.util.VTKObservationMixin()
        self._temporary = tempfile.TemporaryDirectory(
            prefix="skullstrip-", dir=slicer.app.temporaryPath, ignore_cleanup_errors=True
        )
        self._folder = Path(self._temporary.name)

    def start(self) -> None:
        """Hand the scan over and start; Slicer goes on meanwhile."""
        try:
            volume = volumeFromNode(self.volumeNode)
            write_volume(self._folder / "input.npy", volume)
            self._shape = volume.array.shape
            request = {
                "task": "volume",
                "input": str(self._folder / "input.npy"),
                "output": str(self._folder / "output.npy"),
                "options": replace(self._options, border_mm=0.0).to_json(),
                "confidence": self._confidence,
            }
            if self._applied is not None:
                path = self._folder / "applied.npy"
                write_volume(path, self._applied.scan, self._applied.brainMask)
                request |= {"applied": str(path), "verdict": self._applied.verdict}
            self._observe()
            self.send(request)
        except BaseException as error:
            self._letGo()
            if isinstance(error, OSError):
                raise EngineError(f"The scan cannot be handed over ({error}).") from error
            raise

    def wait(self):
        """Block until the result is in the scene; return its node."""
        super().wait()
        return self.segmentationNode

    def _observe(self) -> None:
        scene, add = self.volumeNode.GetScene(), self._observations.addObserver
        reason = "The scene was closed, which ended the run."
        add(scene, scene.StartCloseEvent, lambda *_: self.cancel(reason))
        add(scene, scene.NodeAboutToBeRemovedEvent, self._onNodeRemoved)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, _caller, _event, node) -> None:
        if node is self.volumeNode:
            self.cancel("The scan was removed from the scene, which ended the run.")

    def _onEvent(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress" and self._progress is not None:
            self._progress(event["stage"], event["done"], event["total"])

    def _finish(self, error: SkullStripError | None) -> None:
        self._observations.removeObservers()
        if error is None:
            try:
                self.segmentationNode = self._deliver(self._extracted(), self.report)
            except SkullStripError as problem:
                error = problem
            except Exception as problem:  # noqa: BLE001  (whoever waits must hear that it is over)
                what = f"{type(problem).__name__}: {problem}"
                error = EngineError(
                    f"The result cannot be put into the scene ({what}); strip the scan again."
                )
        self._letGo()
        super()._finish(error)

    def _extracted(self) -> Extracted:
        extracted = read_extracted(self._folder / "output.npy")
        current = volumeFromNode(self.volumeNode).array.shape
        if not extracted.brain_mask.shape == current == self._shape:
            raise InputError("The scan was replaced while it was stripped; strip it again.")
        return extracted

    def _letGo(self) -> None:
        self._observations.removeObservers()
        self._temporary.cleanup()
