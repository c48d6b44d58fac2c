"""Many scans with states: a folder of them by worker processes, or heads of the scene."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import slicer

from skullstrip.errors import Cancelled, InputError, SkullStripError
from skullstrip.io.atomic import remove_abandoned
from skullstrip.options import Options

from .child_process import Children
from .child_run import ChildRun
from .outputs import brainMl, noticed
from .scene_scans import SceneScan
from .strip_run import StripRun

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
SKIPPED = "skipped"  # done by an earlier run
CORRECTED = "corrected"  # by hand, after an earlier run; kept
SETTLED = (DONE, SKIPPED, CORRECTED)
DONE_STAY = "The batch was cancelled; scans that were done stay."
CANCELLED_TEXT = "The batch was cancelled; start it again to go on where it was left."


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


class Batch:
    """What every way to strip many scans has in common: scans with states, told of once each.

    Parameters
    ----------
    scanChanged : callable, optional
        Gets a `BatchScan` whenever it changes, also when it is first heard of.
    finished : callable, optional
        Gets this batch at its end.

    Attributes
    ----------
    scans : list of BatchScan
    total : int
        How many there will be.
    report : Path or None
        The page of all scans.
    error : SkullStripError or None
        Why the batch ended early.
    """

    def __init__(
        self,
        scanChanged: ScanChanged | None = None,
        finished: Callable[[Batch], None] | None = None,
    ) -> None:
        self._scanChanged, self._finished = scanChanged, finished
        self.scans: list[BatchScan] = []
        self.total = 0
        self.secondsLeft: float | None = None
        self.report: Path | None = None
        self.error: SkullStripError | None = None

    def count(self, *states: str) -> int:
        """Return how many scans are in these states."""
        return sum(scan.state in states for scan in self.scans)

    def _change(self, scan: BatchScan, state: str, **changes: Any) -> None:
        """Set a scan's state and tell of it."""
        scan.state = state
        for name, value in changes.items():
            setattr(scan, name, value)
        if self._scanChanged is not None:
            self._scanChanged(scan)

    def _end(self, error: SkullStripError | None) -> None:
        """Leave no scan waiting, and tell of the end."""
        self.error = error
        for scan in self.scans:
            if scan.state in (WAITING, RUNNING):
                self._change(scan, CANCELLED)
        if self._finished is not None:
            self._finished(self)


class FolderBatch(Batch):
    """A folder by worker processes of a child; see `Batch` for the rest.

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
        self._child = ChildRun(children, self._onEvent, lambda child: self._end(child.error))

    @property
    def isFinished(self) -> bool:
        """Whether nothing more will come."""
        return self._child.isFinished

    def start(self) -> None:
        """Start the child."""
        self._child.send(self._request)

    def wait(self) -> list[BatchScan]:
        """Block until every scan is done or failed."""
        self._child.wait()
        return self.scans

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
    """Scans of the scene, a run of the child for each; see `Batch` for the rest.

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
        self.isFinished = False

    def start(self) -> None:
        """Start the first run; the batch ends when the scene is closed."""
        self._started = time.monotonic()
        self._scene = slicer.mrmlScene
        reason = "The scene was closed, which ended the batch."
        event = self._scene.StartCloseEvent
        self._tag = self._scene.AddObserver(event, lambda *_: self.cancel(reason))
        self._goOn()

    def wait(self) -> list[BatchScan]:
        """Block until every scan is done or failed; raise `Cancelled` where it was."""
        try:
            while self._run is not None:
                with suppress(SkullStripError):  # it is told of in the scan's message
                    self._run.wait()
        except KeyboardInterrupt:
            self.cancel()
            raise
        if self.error is not None:
            raise self.error
        return self.scans

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
                self._run = self._strip(found, partial(self._onStripped, scan, found))
            except Exception as error:  # whatever it was, the next may be sound
                if not isinstance(error, SkullStripError):
                    logging.error("SkullStrip", exc_info=error)
                self._change(scan, FAILED, message=str(error))
                continue
            if not self._run.isFinished:
                return
        self._run, self.isFinished = None, True
        self._scene.RemoveObserver(self._tag)
        self._end(self._cancelled)

    def _onStripped(self, scan: BatchScan, found: SceneScan, run: StripRun) -> None:
        settled = self.count(*SETTLED, FAILED) + 1
        passed = time.monotonic() - self._started
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
                volumeMl=brainMl(run.segmentationNode, found.volumeNode),
                verdict=run.report.get("verdict", ""),
            )
        if run is self._run:  # else it ended while it was started, and `_goOn` goes on
            self._goOn()
