"""A whole batch: what is to be done, who does it, and what is written about it.

Word of how it goes are events, dicts, and with `--progress json` lines of JSON:

    {"event": "start", "total": 40, "todo": 38, "jobs": 2}
    {"event": "scan", "name": "a/b", "status": "skipped", "message": "", "reasons": "",
     "volume_ml": 1410.7, "verdict": "pass", "done": 1, "total": 40}
    {"event": "scan", "name": "a/c", "status": "running"}
    {"event": "scan", "name": "a/c", "status": "done", "corrected" or "failed",
     "message": "", "reasons": "", "volume_ml": 1432.1, "verdict": "pass",
     "done": 2, "total": 40, "seconds_left": 83.0}
    {"event": "end", "done": 40, "failed": 0, "skipped": 2, "report": "/out/report.html",
     "verdicts": {"pass": 37, "check": 2, "fail": 1, "corrected": 0}}

`done` in a scan's event counts the scans that nothing more will happen to; the verdicts at the end
are of all scans, those stripped before too.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import Cancelled, EngineError, OutputError, WeightsError
from ..io.atomic import remove_abandoned
from ..network.manifest import load_manifest
from ..options import Options
from ..output_files import Inputs
from ..quality.calibration import load_calibration
from . import bids
from .job import MASK_CORRECTED, Job, Task, give_up, process_scan, reasons_to_do, sentence
from .options import BatchOptions
from .records import CORRECTED, DONE, FAILED, RECORDS, Row, locked, read_record, rows
from .report_page import CSV_TABLE, RESULTS, refuse_strangers, write_csv, write_results
from .scans import Scan, find_scans
from .workers import Cluster, LocalWorkers, as_done, connected, default_jobs, threads_each

TABLE_SECONDS = 15.0  # at least, between two tables written on the way
TABLE_SHARE = 0.05  # of the time, at most, goes into writing them
VERDICTS = ("pass", "check", "fail", CORRECTED)
TOLD = ("name", "status", "message", "reasons", "volume_ml", "verdict")
KILLED = (
    "Every worker process that tried this scan was killed, probably out of memory; use "
    "fewer --jobs."
)


Event = dict[str, Any]
OnEvent = Callable[[Event], None]


@dataclass
class BatchResult:
    """How far a batch is, and at its end what became of it."""

    total: int  # scans of the batch
    done: int = 0  # stripped now
    failed: int = 0  # given up now
    skipped: int = 0  # left as they were
    # How many masks of these scans pass, are to be checked, fail, and were corrected by hand.
    verdicts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))
    table: Path | None = None  # results.csv, with all scans of the output folder
    page: Path | None = None  # report.html; both are None where they are left to `group`

    @property
    def settled(self) -> int:
        """Scans that nothing more will happen to."""
        return self.done + self.failed + self.skipped

    def add(self, row: Row, seconds: float | None = None) -> Event:
        """Count a scan, and return word of it.

        `seconds` have gone since the first was begun; without them the scan was left as it is.
        """
        event = {"event": "scan", **{key: row.get(key) for key in TOLD}}
        status = row.get("status")  # a mask that somebody corrected has no other verdict
        verdict = row.get("verdict") if status == DONE else status
        if verdict in self.verdicts:
            self.verdicts[str(verdict)] += 1
        if seconds is None:
            self.skipped += 1
            return event | {"status": "skipped", "done": self.settled, "total": self.total}
        self.failed += status == FAILED
        self.done += status != FAILED
        left = seconds / (self.done + self.failed) * (self.total - self.settled)
        return event | {"done": self.settled, "total": self.total, "seconds_left": round(left, 1)}

    def end(self) -> Event:
        """Return word of the end."""
        return {
            "event": "end",
            "done": self.done + self.skipped,
            "failed": self.failed,
            "skipped": self.skipped,
            "report": str(self.page) if self.page else None,
            "verdicts": self.verdicts,
        }


def strip_batch(
    source: str | Path, out: str | Path, options: Options = Options(), **settings: Any
) -> BatchResult:
    """Strip many scans in worker processes; what is done already is left.

    Parameters
    ----------
    source : path
        A folder, a .csv with a column `path`, a glob, or, with `bids`, a BIDS data set.
    out : path
        The output folder; made if it is not there.
    options : Options
        How each scan is stripped.
    **settings
        Of `BatchOptions` by name, as ``jobs=4``; and of `Options`, as ``border_mm=2``, which go
        before those of `options`.

    Returns
    -------
    BatchResult
        Scans that failed are counted, and described in the table.

    Raises
    ------
    InputError
        There are no scans, or an option is at fault.
    EngineError
        psutil, or with `scheduler` Dask, is not installed; or no worker process starts.
    """
    names = {field.name for field in fields(BatchOptions)} & settings.keys()
    of_batch = {name: settings.pop(name) for name in names}
    batch_options = BatchOptions(replace(options, **settings), **of_batch)
    return run_batch(os.fspath(source), Path(out), batch_options)


def planned(source: str, out: Path, options: BatchOptions) -> Iterator[Task]:
    """Each scan, and why it would be stripped; "" for one that would not. Writes nothing."""
    out = out.absolute()
    yield from reasons_to_do(scans_of(source, out, options), Job(out, options, _digest(options)))


def run_batch(
    source: str,
    out: Path,
    options: BatchOptions,
    *,
    on_event: OnEvent = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    quiet: bool = True,
    shared: bool = False,
) -> BatchResult:
    """Strip what is to be stripped; see `strip_batch`.

    `on_event` gets the events above. `stop` is asked often; once it says True, scans that
    were begun are finished and no others, and Cancelled is raised. `quiet` keeps what the workers
    of this machine say off stderr. With `shared` other batches may work in the same output folder,
    each on other scans: one job for each participant is how BIDS Apps run on clusters. Table and
    page are left to `group` then.
    """
    require_packages(options.scheduler)
    out = out.absolute()
    if options.method.weights is not None:
        weights = Path(options.method.weights).absolute()
        options = replace(options, method=replace(options.method, weights=weights))
    job = Job(out, options, _digest(options))
    scans = scans_of(source, out, options)
    tables = [Path(path).absolute() for path in (source, options.decisions) if path]
    inputs = Inputs([*(path for scan in scans for path in scan.inputs), *tables])
    if not (out / RECORDS).exists() and not options.overwrite:
        refuse_strangers(out)
    inputs.refuse(out / name for name in RESULTS)
    result = BatchResult(len(scans))
    batch = Batch(job, result, on_event, stop, tables=not shared)
    with locked(out, shared):
        if options.bids:
            bids.write_dataset_files(Path(source), out, options.fmriprep)
        todo = batch.left_to_do(scans, inputs)
        try:
            if todo:
                batch.strip(todo, quiet)
        finally:
            if not shared:
                result.table, result.page = out / CSV_TABLE, write_results(partial(rows, out), out)
    on_event(result.end())
    if result.settled < result.total:
        raise Cancelled(
            f"Interrupted with {result.settled} of {result.total} scans done; start the same "
            "command again to go on."
        )
    return result


@dataclass
class Batch:
    """Has scans stripped, and tells of them."""

    job: Job
    result: BatchResult  # counts on
    on_event: OnEvent
    stop: Callable[[], bool]
    # Write the results table now and then, so that one is there should this process be killed.
    tables: bool

    def left_to_do(self, scans: list[Scan], inputs: Inputs) -> list[Task]:
        """Choose the scans that are to be done, and say why; count and tell of the others."""
        todo, job = [], self.job
        for scan, reason in reasons_to_do(scans, job):
            if self.stop():
                return []
            if not reason:
                entry = read_record(scan.name, job.out)  # None where `redo` passed over a new one
                self.on_event(self.result.add(entry.row if entry else {"name": scan.name}))
                continue
            kept = [scan.mask] if reason == MASK_CORRECTED else []
            try:
                inputs.refuse(job.out / path for path in scan.outputs if path not in kept)
            except OutputError as error:
                self.on_event(self.result.add(give_up(scan, job, str(error)), 0.0))
            else:
                todo.append((scan, reason))
        return todo

    def strip(self, todo: list[Task], quiet: bool) -> None:
        """Strip scans; what workers that were killed left behind is removed at the end."""
        options, job = self.job.options, self.job
        pool: AbstractContextManager[LocalWorkers | Cluster]
        if options.scheduler:
            pool = connected(options.scheduler)
        else:
            count = min(options.jobs or default_jobs(), len(todo))
            method = replace(options.method, threads=options.method.threads or threads_each(count))
            job = replace(job, options=replace(options, method=method))
            pool = LocalWorkers(count, quiet=quiet)
        try:
            with pool as workers:
                numbers = {"total": self.result.total, "todo": len(todo)}
                self.on_event({"event": "start", **numbers, "jobs": workers.capacity()})
                function = partial(process_scan, job=job)
                self.tell(as_done(workers, function, todo, begun=self._begins, stop=self.stop))
        finally:
            remove_abandoned(job.out, below=True)

    def tell(self, answers: Iterable[tuple[Task, Any]]) -> None:
        """Tell of answers as they come, and record scans that no worker answered for."""
        started = table_written = time.monotonic()
        pause = TABLE_SECONDS
        for (scan, _), answer in answers:
            if isinstance(answer, WeightsError):  # nothing will come of the others either
                raise answer
            row = answer if isinstance(answer, dict) else self._lost(scan, answer)
            began = time.monotonic()
            self.on_event(self.result.add(row, began - started))
            if self.tables and began - table_written > pause:
                with suppress(OutputError):  # Excel has it open; the last one will tell
                    write_csv(rows(self.job.out), self.job.out)
                table_written = time.monotonic()
                pause = max(TABLE_SECONDS, (table_written - began) / TABLE_SHARE)

    def _begins(self, task: Task) -> None:
        self.on_event({"event": "scan", "name": task[0].name, "status": "running"})

    def _lost(self, scan: Scan, error: BaseException) -> Row:
        is_killed = type(error).__name__ == "KilledWorker"  # ours or Dask's
        return give_up(scan, self.job, KILLED if is_killed else sentence(error))


def scans_of(source: str, out: Path, options: BatchOptions) -> list[Scan]:
    """Find the scans; raise InputError where there are none, or they cannot be told apart."""
    if not options.bids:
        return find_scans(source, out)
    bids.require_place(Path(source), out)
    labels = options.participants, options.sessions
    return bids.find_bids_scans(Path(source), *labels, options.also, options.fmriprep)


def require_packages(scheduler: str | None) -> None:
    """Raise EngineError, with what to install, where a package of the workers is missing."""
    who, needed, extra = "A batch", ["psutil"], "batch"
    if scheduler:
        who, needed, extra = "--scheduler", ["dask", "distributed"], "cluster"
    if missing := [name for name in needed if not importlib.util.find_spec(name)]:
        what = " and ".join(missing)
        raise EngineError(f"{who} needs {what}; use 'pip install \"skullstrip[{extra}]\"'.")


def _digest(options: BatchOptions) -> str:
    manifest, weights_path = load_manifest(options.method.weights)
    calibration = load_calibration(manifest, weights_path.parent)
    return options.method.digest(manifest.weights_sha256 + manifest.int8_sha256, calibration.sha256)
