"""Runs: what goes on in child processes meanwhile, and ends once: of one scan, or of many."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import slicer
import vtk

from skullstrip.batch.records import CORRECTED, DONE, FAILED
from skullstrip.errors import Cancelled, EngineError, InputError, SkullStripError
from skullstrip.grid.volume import Volume
from skullstrip.io.atomic import remove_abandoned
from skullstrip.io.volume_archive import read_arrays, write_volume
from skullstrip.options import Options
from skullstrip.worker.child import parse_event

from .child_process import Children
from .outputs import brainMl, noticed
from .scene_scans import SceneScan
from .voxels import volumeFromNode

LAST_WORDS = 8  # lines of a crashed child that are kept
PUMP_SECONDS = 0.005
_ERRORS = {InputError.exit_code: InputError, Cancelled.exit_code: Cancelled}
WAITING, RUNNING, CANCELLED = "waiting", "running", "cancelled"
SKIPPED = "skipped"  # done by an earlier run
SETTLED = (DONE, SKIPPED, CORRECTED)
DONE_STAY = "The batch was cancelled; scans that were done stay."
CANCELLED_TEXT = "The batch was cancelled; start it again to go on where it was left."

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

    The border of `options` is left out, which is moved here. `deliver` gets the brain mask at
    border 0, the `maps` of `skullstrip.pipeline.BrainExtraction` that are named here, all of them
    (I, J, K), and the report, and returns the segmentation node; `progress` gets (stage, done,
    total). With `applied`, that mask is carried to the scan.
    """

    def __init__(
        self,
        volumeNode,
        options: Options,
        children: Children,
        deliver: Callable[[np.ndarray, list[np.ndarray], dict[str, Any]], Any],
        progress: Progress | None = None,
        finished: Callable[[StripRun], None] | None = None,
        *,
        maps: Sequence[str] = (),
        applied: AppliedMask | None = None,
    ) -> None:
        super().__init__(children, self._onEvent, finished)
        self.volumeNode, self._options = volumeNode, options
        self._deliver, self._progress = deliver, progress
        self._maps, self._applied = maps, applied
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
                "maps": self._maps,
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
                self.segmentationNode = self._deliver(*self._extracted(), self.report)
            except SkullStripError as problem:
                error = problem
            except Exception as problem:  # noqa: BLE001  (whoever waits must hear that it is over)
                what = f"{type(problem).__name__}: {problem}"
                error = EngineError(
                    f"The result cannot be put into the scene ({what}); strip the scan again."
                )
        self._letGo()
        super()._finish(error)

    def _extracted(self) -> tuple[np.ndarray, list[np.ndarray]]:
        mask, *maps = read_arrays(self._folder / "output.npy", 1 + len(self._maps))
        current = volumeFromNode(self.volumeNode).array.shape
        if not mask.shape == current == self._shape:
            raise InputError("The scan was replaced while it was stripped; strip it again.")
        return mask, maps

    def _letGo(self) -> None:
        self._observations.removeObservers()
        self._temporary.cleanup()


@dataclass
class BatchScan:
    """One scan of a batch."""

    index: int
    name: str  # its path below the input folder
    state: str = WAITING
    message: str = ""  # why it failed, or what was noticed
    volumeMl: float | None = None
    verdict: str = ""  # "pass", "check", "fail" or empty


ScanChanged = Callable[[BatchScan], None]


class Batch(Run):
    """A run of many `scans`; `scanChanged` gets each when it is first heard of and when it changes.

    `total` says how many there will be, `report` is the page of all of them, where one is made.
    """

    def __init__(
        self,
        scanChanged: ScanChanged | None = None,
        finished: Callable[[Batch], None] | None = None,
    ) -> None:
        super().__init__(finished)
        self._scanChanged = scanChanged
        self.scans: list[BatchScan] = []
        self.total = 0
        self.secondsLeft: float | None = None
        self.report: Path | None = None

    def wait(self) -> list[BatchScan]:
        """Block until every scan is done or failed."""
        super().wait()
        return self.scans

    def count(self, *states: str) -> int:
        """Return how many scans are in these states."""
        return sum(scan.state in states for scan in self.scans)

    def _change(self, scan: BatchScan, state: str, **changes: Any) -> None:
        scan.state = state
        for name, value in changes.items():
            setattr(scan, name, value)
        if self._scanChanged is not None:
            self._scanChanged(scan)

    def _finish(self, error: SkullStripError | None) -> None:
        for scan in self.scans:
            if scan.state in (WAITING, RUNNING):
                self._change(scan, CANCELLED)
        super()._finish(error)


class FolderBatch(Batch):
    """A folder by worker processes of a child.

    Raises InputError where a folder is not named, is none, or both are the same.
    """

    def __init__(
        self,
        inputFolder: str | Path,
        outputFolder: str | Path,
        options: Options,
        children: Children,
        *callbacks: Any,
    ) -> None:
        super().__init__(*callbacks)
        if not str(inputFolder).strip() or not str(outputFolder).strip():  # not the current one
            raise InputError("No folder is named; choose one for the scans, and one for results.")
        source, self._out = Path(inputFolder).absolute(), Path(outputFolder).absolute()
        if not source.is_dir():
            raise InputError(f"'{source}' is not a folder; choose the folder with the scans.")
        if self._out.resolve() == source.resolve():
            raise InputError("Choose another folder for the results than the one with the scans.")
        self._request = {
            "task": "batch",
            "source": str(source),
            "out": str(self._out),
            "options": options.to_json(),
        }
        self._byName: dict[str, BatchScan] = {}
        self._child = ChildRun(children, self._onEvent, lambda child: self._finish(child.error))

    def start(self) -> None:
        """Start the child."""
        self._child.send(self._request)

    def cancel(self) -> None:
        """End the child and its workers; scans that are done stay, and are not done again."""
        self._child.cancel(CANCELLED_TEXT)
        remove_abandoned(self._out, below=True)

    def _onEvent(self, event: dict[str, Any]) -> None:
        self.total = event.get("total") or self.total
        if event["event"] == "scan":
            self.secondsLeft = event.get("seconds_left", self.secondsLeft)
            self._onScan(event)
        elif event["event"] == "end" and event.get("report"):
            self.report = Path(event["report"])

    def _onScan(self, event: dict[str, Any]) -> None:
        name = event["name"]
        if name not in self._byName:
            self._byName[name] = BatchScan(len(self.scans), name)
            self.scans.append(self._byName[name])
        scan = self._byName[name]
        if event["status"] == RUNNING and scan.state in (*SETTLED, FAILED):
            return  # word from a worker may come late
        self._change(
            scan,
            event["status"],
            message=" ".join(filter(None, (event.get("reasons"), event.get("message")))),
            volumeMl=event.get("volume_ml"),
            verdict=event.get("verdict") or "",
        )


class SceneBatch(Batch):
    """Scans of the scene, one after another; it ends when the scene is closed.

    `strip` starts a run and returns it: it gets a `SceneScan`, and what to call with the run at its
    end.
    """

    def __init__(
        self,
        found: Sequence[SceneScan],
        strip: Callable[[SceneScan, Callable[[StripRun], None]], StripRun],
        *callbacks: Any,
    ) -> None:
        super().__init__(*callbacks)
        self._strip = strip
        self.scans = [BatchScan(index, scan.name) for index, scan in enumerate(found)]
        self.total = len(found)
        self._waiting = list(zip(self.scans, found, strict=True))
        self._run: StripRun | None = None
        self._cancelled: Cancelled | None = None
        self._observations = slicer.util.VTKObservationMixin()

    def start(self) -> None:
        """Start the first run."""
        self._began, scene = time.monotonic(), slicer.mrmlScene
        reason = "The scene was closed, which ended the batch."
        self._observations.addObserver(scene, scene.StartCloseEvent, lambda *_: self.cancel(reason))
        self._goOn()

    def cancel(self, reason: str = DONE_STAY) -> None:
        """End the current run, and start no other."""
        self._waiting.clear()
        if self._run is not None:
            self._cancelled = Cancelled(reason)
            self._run.cancel()

    def _goOn(self) -> None:
        while self._waiting:
            scan, found = self._waiting.pop(0)
            self._change(scan, RUNNING)
            try:
                found.requirePresent()
                self._run = self._strip(found, partial(self._onStripped, scan))
            except Exception as error:  # whatever it was, the next may be sound
                if not isinstance(error, SkullStripError):
                    logging.error("SkullStrip", exc_info=error)
                self._change(scan, FAILED, message=str(error))
                continue
            if not self._run.isFinished:
                return
        self._run = None
        self._observations.removeObservers()
        self._finish(self._cancelled)

    def _onStripped(self, scan: BatchScan, run: StripRun) -> None:
        settled = self.count(*SETTLED, FAILED) + 1
        passed = time.monotonic() - self._began
        self.secondsLeft = passed / settled * (self.total - settled)
        if self._cancelled is not None:
            self._change(scan, CANCELLED)
        elif run.error is not None:
            self._change(scan, FAILED, message=str(run.error))
        else:
            self._change(
                scan,
                DONE,
                message=" ".join(check.message for check in noticed(run.report)),
                volumeMl=brainMl(run.segmentationNode),
                verdict=run.report.get("verdict", ""),
            )
        if run is self._run:  # else it ended while it was started, and `_goOn` goes on
            self._goOn()
