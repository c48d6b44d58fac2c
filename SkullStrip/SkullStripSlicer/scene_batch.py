"""Every T1 of the scene, and every frame of its sequences, one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import slicer

from skullstrip.errors import Cancelled, SkullStripError

from .batch import CANCELLED, DONE, FAILED, RUNNING, SETTLED, Batch, BatchScan
from .outputs import noticed
from .scene_scans import SceneScan
from .strip_run import StripRun

Strip = Callable[[SceneScan, Callable[[StripRun], None]], StripRun]


class SceneBatch(Batch):
    """A run of the child for each scan; see `Batch` for the rest.

    Parameters
    ----------
    found : sequence of SceneScan
    strip : callable
        Starts the run of one scan; gets what to call at its end.
    volumeOf : callable
        Gets the node that a run gave; returns the brain's volume in mL, or None.
    """

    def __init__(
        self,
        found: Sequence[SceneScan],
        strip: Strip,
        volumeOf: Callable[[Any], float | None],
        *hear: Any,
    ) -> None:
        super().__init__(*hear)
        self.scans = [BatchScan(index, scan.name) for index, scan in enumerate(found)]
        self.total = len(found)
        self._strip, self._volumeOf = strip, volumeOf
        self._waiting = list(zip(self.scans, found, strict=True))
        self._run: StripRun | None = None
        self._ended: Cancelled | None = None
        self.isFinished = False

    def start(self) -> None:
        """Start the first run; the batch ends when the scene is closed."""
        self._started = time.monotonic()
        event = slicer.vtkMRMLScene.StartCloseEvent
        self._scene = slicer.mrmlScene
        self._tag = self._scene.AddObserver(event, lambda *_: self.cancel())
        self._goOn()

    def wait(self) -> list[BatchScan]:
        """Block until every scan is done or failed.

        Raises
        ------
        Cancelled
        """
        while not self.isFinished:
            with suppress(SkullStripError):  # it is told of in the scan's message
                self._run.wait()
        if self.error is not None:
            raise self.error
        return self.scans

    def cancel(self) -> None:
        """End the current run, and start no other."""
        self._waiting.clear()
        if self._run is not None:
            self._run.cancel()

    def _goOn(self) -> None:
        while self._waiting:
            scan, found = self._waiting.pop(0)
            self.change(scan, RUNNING)
            try:
                self._run = self._strip(found, partial(self._stripped, scan))
            except SkullStripError as error:
                self.change(scan, FAILED, message=str(error))
                continue
            if not self._run.isFinished:
                return
        self._run, self.isFinished = None, True
        self._scene.RemoveObserver(self._tag)
        self.finish(self._ended)

    def _stripped(self, scan: BatchScan, run: StripRun) -> None:
        self._tell(scan, run)
        if run is self._run:  # else it ended while it was started, and `_goOn` goes on
            self._goOn()

    def _tell(self, scan: BatchScan, run: StripRun) -> None:
        settled = self.count(*SETTLED, FAILED) + 1
        passed = time.monotonic() - self._started
        self.secondsLeft = passed / settled * (self.total - settled)
        if isinstance(run.error, Cancelled):
            self._waiting.clear()
            self._ended = run.error
            self.change(scan, CANCELLED)
        elif run.error is not None:
            self.change(scan, FAILED, message=str(run.error))
        else:
            self.change(
                scan,
                DONE,
                message=" ".join(check.message for check in noticed(run.report)),
                volumeMl=self._volumeOf(run.segmentationNode),
                verdict=run.report.get("verdict", ""),
            )
