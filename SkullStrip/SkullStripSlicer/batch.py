"""Many scans with states: a folder of them by worker processes, or heads of the scene."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import slicer

from skullstrip.batch.records import CORRECTED, DONE, FAILED
from skullstrip.errors import Cancelled, InputError, SkullStripError
from skullstrip.io.atomic import remove_abandoned
from skullstrip.options import Options

from .child_process import Children
from .outputs import brainMl, noticed
from .runs import ChildRun, Run, StripRun
from .scene_scans import SceneScan

WAITING, RUNNING, CANCELLED = "waiting", "running", "cancelled"
SKIPPED = "skipped"  # done by an earlier run
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
