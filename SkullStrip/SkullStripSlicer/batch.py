"""Many scans with states; a folder of them by worker processes, with word of each scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skullstrip.errors import InputError, SkullStripError
from skullstrip.io.temporary import remove_abandoned_below
from skullstrip.options import Options

from .child_process import Children
from .child_run import ChildRun

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
SKIPPED = "skipped"  # done by an earlier run
CORRECTED = "corrected"  # by hand, after an earlier run; kept
SETTLED = (DONE, SKIPPED, CORRECTED)
DONE_STAY = "The batch was cancelled; scans that were done stay."
CANCELLED_TEXT = "The batch was cancelled; start it again to go on where it was left."


@dataclass
class BatchScan:
    """One scan of a batch.

    Attributes
    ----------
    name : str
        Its path below the input folder.
    state : {"waiting", "running", "done", "skipped", "corrected", "failed", "cancelled"}
    message : str
        Why it failed, or what was noticed.
    volumeMl : float or None
    verdict : str
        "pass", "check", "fail" or empty.
    """

    index: int
    name: str
    state: str = WAITING
    message: str = ""
    volumeMl: float | None = None
    verdict: str = ""


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
    secondsLeft : float or None
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

    def change(self, scan: BatchScan, state: str, **changes: Any) -> None:
        """Set a scan's state and tell of it."""
        scan.state = state
        for name, value in changes.items():
            setattr(scan, name, value)
        if self._scanChanged is not None:
            self._scanChanged(scan)

    def finish(self, error: SkullStripError | None) -> None:
        """Leave no scan waiting, and tell of the end."""
        self.error = error
        for scan in self.scans:
            if scan.state in (WAITING, RUNNING):
                self.change(scan, CANCELLED)
        if self._finished is not None:
            self._finished(self)


class FolderBatch(Batch):
    """A folder by worker processes of a child; see `Batch` for the rest.

    Parameters
    ----------
    inputFolder, outputFolder : path
    options : Options
    children : Children

    Raises
    ------
    InputError
        A folder is not named, is none, or both are the same.
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
        source, out = Path(inputFolder).absolute(), Path(outputFolder).absolute()
        if not source.is_dir():
            raise InputError(f"'{source}' is not a folder; choose the folder with the scans.")
        if out.resolve() == source.resolve():
            raise InputError("Choose another folder for the results than the one with the scans.")
        self._outputFolder = outputFolder
        self._request = {
            "task": "batch",
            "source": str(source),
            "out": str(out),
            "options": options.to_json(),
        }
        self._byName: dict[str, BatchScan] = {}
        self._child = ChildRun(children, self._onEvent, lambda child: self.finish(child.error))

    @property
    def isFinished(self) -> bool:
        """Whether nothing more will come."""
        return self._child.isFinished

    def start(self) -> None:
        """Start the child."""
        self._child.start(self._request)

    def wait(self) -> list[BatchScan]:
        """Block until every scan is done or failed."""
        self._child.wait()
        return self.scans

    def cancel(self) -> None:
        """End the child and its workers; scans that are done stay, and are not done again."""
        self._child.cancel(CANCELLED_TEXT)
        remove_abandoned_below(Path(self._outputFolder))

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
        self.change(
            scan,
            event["status"],
            message=" ".join(filter(None, (event.get("reasons"), event.get("message")))),
            volumeMl=event.get("volume_ml"),
            verdict=event.get("verdict") or "",
        )
