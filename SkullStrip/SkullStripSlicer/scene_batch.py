"""Heads of the scene, and every frame of its sequences, one after another."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import slicer

from skullstrip.errors import Cancelled, SkullStripError
from skullstrip.options import Options

from .batch import CANCELLED, DONE, DONE_STAY, FAILED, RUNNING, SETTLED, Batch, BatchScan
from .outputs import noticed
from .scene_scans import SceneScan
from .strip_run import StripRun


class SceneBatch(Batch):
    """A run of the child for each scan; see `Batch` for the rest.

    Parameters
    ----------
    logic : StripLogic
    found : sequence of SceneScan
    options : Options
    """

    def __init__(
        self, logic, found: Sequence[SceneScan], options: Options, *callbacks: Any
    ) -> None:
        super().__init__(*callbacks)
        self._logic, self._options = logic, options
        self.scans = [BatchScan(index, scan.name) for index, scan in enumerate(found)]
        self.total = len(found)
        self._waiting = list(zip(self.scans, found, strict=True))
        self._run: Any = None
        self._ended: Cancelled | None = None
        self.isFinished = False

    def start(self) -> None:
        """Start the first run; the batch ends when the scene is closed."""
        self._started = time.monotonic()
        event = slicer.vtkMRMLScene.StartCloseEvent
        self._scene = slicer.mrmlScene
        reason = "The scene was closed, which ended the batch."
        self._tag = self._scene.AddObserver(event, lambda *_: self.cancel(reason))
        self._goOn()

    def wait(self) -> list[BatchScan]:
        """Block until every scan is done or failed.

        Raises
        ------
        Cancelled
        """
        try:
            while not self.isFinished:
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
            self._ended = Cancelled(reason)
            self._run.cancel()

    def _goOn(self) -> None:
        while self._waiting:
            scan, found = self._waiting.pop(0)
            self.change(scan, RUNNING)
            try:
                self._run = self._strip(scan, found)
            except Exception as error:  # whatever it was, the next may be sound
                if not isinstance(error, SkullStripError):
                    logging.error("SkullStrip", exc_info=error)
                self.change(scan, FAILED, message=str(error))
                continue
            if not self._run.isFinished:
                return
        self._run, self.isFinished = None, True
        self._scene.RemoveObserver(self._tag)
        self.finish(self._ended)

    def _strip(self, scan: BatchScan, found: SceneScan) -> StripRun:
        found.requirePresent()
        ended = partial(self._stripped, scan, found)
        if found.frames is None:
            return self._logic.strip(found.volumeNode, options=self._options, finished=ended)
        frames, borderMm = found.frames, self._options.border_mm

        def deliver(extracted, _report):
            return frames.add(found, extracted.brain_mask, borderMm)

        return self._logic.startRun(found.volumeNode, self._options, deliver, None, ended)

    def _stripped(self, scan: BatchScan, found: SceneScan, run: StripRun) -> None:
        self._tell(scan, found, run)
        if run is self._run:  # else it ended while it was started, and `_goOn` goes on
            self._goOn()

    def _tell(self, scan: BatchScan, found: SceneScan, run: StripRun) -> None:
        settled = self.count(*SETTLED, FAILED) + 1
        passed = time.monotonic() - self._started
        self.secondsLeft = passed / settled * (self.total - settled)
        if self._ended is not None:
            self.change(scan, CANCELLED)
        elif run.error is not None:
            self.change(scan, FAILED, message=str(run.error))
        else:
            self.change(
                scan,
                DONE,
                message=" ".join(check.message for check in noticed(run.report)),
                volumeMl=self._volumeMl(found, run),
                verdict=run.report.get("verdict", ""),
            )

    def _volumeMl(self, found: SceneScan, run: StripRun) -> float:
        if found.frames is not None:
            return found.frames.volumeMl[found.index]
        return self._logic.volumeMl(run.segmentationNode)
