"""A whole batch: what is to be done, who does it, and what is written about it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import Cancelled, EngineError
from ..network.manifest import load_manifest, read_weights_file
from ..options import Options
from ..quality.calibration import load_calibration
from . import bids, bids_dataset, fmriprep
from .coordinator import Coordinator, Inputs
from .job import Job, Task
from .options import BatchOptions
from .plan import reasons_to_do
from .progress import Count, OnEvent, ignore_event
from .records import RECORDS, held, read_record, rows
from .results import CSV_TABLE, RESULTS, refuse_strangers, write_results
from .scans import Scan, find_scans


@dataclass(frozen=True)
class Source:
    """Where the scans come from."""

    path: str  # folder, CSV, glob or file; the data set's folder where `bids`
    bids: bool = False
    participants: tuple[str, ...] = ()  # BIDS labels to keep; all by default
    sessions: tuple[str, ...] = ()  # likewise
    fmriprep: str | None = None  # "first-lex" or "sessionwise": masks for fMRIPrep, too
    also: tuple[str, ...] = ()  # BIDS suffixes of other scans, which get the mask of their session

    def scans(self, out: Path) -> list[Scan]:
        """Find them; raise InputError where there are none, or they cannot be told apart."""
        if not self.bids:
            return find_scans(self.path, out)
        bids_dataset.require_place(Path(self.path), out)
        scans = bids.find_bids_scans(Path(self.path), self.participants, self.sessions, self.also)
        if self.fmriprep is None:
            return scans
        everyone = bids.find_bids_scans(Path(self.path), self.participants)
        return fmriprep.with_masks(scans, everyone, self.fmriprep)

    def describe(self, out: Path) -> None:
        """Write what BIDS wants to know of the output folder."""
        data_set = Path(self.path)
        bids_dataset.write_dataset_files(data_set, out)
        if self.fmriprep is not None:
            folder = out / fmriprep.folder_of(self.fmriprep)
            bids_dataset.write_dataset_files(data_set, folder, fmriprep.readme_of(self.fmriprep))

    def inputs(self, scans: list[Scan], decisions: str | Path | None) -> list[str]:
        """Return all files that the batch reads: scans, their table, decisions."""
        tables = [self.path, *([] if decisions is None else [str(decisions)])]
        files = [str(path) for scan in scans for path in scan.inputs]
        return [*files, *(str(Path(path).absolute()) for path in tables)]


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch.

    Parameters
    ----------
    done, failed, skipped : int
        Scans stripped now, given up now, and left as they were.
    table : Path or None
        `results.csv`, with all scans of the output folder; None where it is left to `group`.
    page : Path or None
        `report.html`; None, too, where Jinja2 is not installed.
    verdicts : dict of str to int
        How many masks of these scans pass, are to be checked, fail, and were corrected by hand.
    """

    done: int
    failed: int
    skipped: int
    table: Path | None
    page: Path | None
    verdicts: dict[str, int]


def strip_batch(
    source: str | Path,
    out: str | Path,
    options: Options = Options(),
    *,
    bids: bool = False,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    fmriprep: str | None = None,
    also: Sequence[str] = (),
    jobs: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    redo: str | None = None,
    decisions: str | Path | None = None,
    get: bool = False,
    **overrides: Any,
) -> BatchResult:
    """Strip many scans in worker processes; what is done already is left.

    Parameters
    ----------
    source : path
        A folder, a .csv with a column `path`, or a glob.
    out : path
        The output folder; made if it is not there.
    options : Options
        How each scan is stripped.
    bids : bool
        The source is a BIDS data set; outputs are BIDS derivatives.
    participants, sessions : sequence of str
        BIDS labels to keep.
    fmriprep : {"first-lex", "sessionwise"}, optional
        Write into `fmriprep_<reference>` the masks that `fmriprep --derivatives` takes when it runs
        with that `--subject-anatomical-reference`.
    also : sequence of str
        BIDS suffixes, T2w or FLAIR, of scans that get the mask of their session's first T1w scan.
    jobs, scheduler, overwrite, redo, decisions, get
        As for `BatchOptions`.
    **overrides
        Options by name, as ``border_mm=2``; they go before those of `options`.

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
    found = Source(
        os.fspath(source), bids, tuple(participants), tuple(sessions), fmriprep, tuple(also)
    )
    method = replace(options, **overrides)
    work = BatchOptions(method, jobs, scheduler, overwrite, redo, decisions, get)
    return run_batch(found, Path(out), work)


def planned(source: Source, out: Path, options: BatchOptions) -> Iterator[Task]:
    """Each scan, and why it would be stripped; "" for one that would not. Writes nothing."""
    out = out.absolute()
    yield from reasons_to_do(source.scans(out), out, options, _digest(options))


def run_batch(
    source: Source,
    out: Path,
    options: BatchOptions,
    *,
    on_event: OnEvent = ignore_event,
    stop: Callable[[], bool] = lambda: False,
    quiet: bool = True,
    shared: bool = False,
) -> BatchResult:
    """Strip what is to be stripped; see `strip_batch`.

    Parameters
    ----------
    on_event : callable
        Gets the events of `progress`.
    stop : callable
        Asked often; once it says True, scans that were begun are finished and no others.
    quiet : bool
        Keep what Dask and the workers say off stderr.
    shared : bool
        Let other batches work in the same output folder, each on other scans: one job for each
        participant is how BIDS Apps run on clusters. Table and page are left to `group`.

    Raises
    ------
    Cancelled
        `stop` said True before all was done.
    """
    require_packages(options.scheduler)
    out = out.absolute()
    if options.method.weights is not None:
        weights = Path(options.method.weights).absolute()
        options = replace(options, method=replace(options.method, weights=weights))
    job = Job(out, options, _digest(options))
    scans = source.scans(out)
    inputs = Inputs(source.inputs(scans, options.decisions))
    if not (out / RECORDS).exists() and not options.overwrite:
        refuse_strangers(out)
    inputs.refuse(out / name for name in RESULTS)
    with held(out, shared):
        if source.bids:
            source.describe(out)
        count = Count(len(scans))
        todo = _left_to_do(scans, job, count, on_event, stop)
        try:
            if todo:
                coordinator = Coordinator(
                    job, inputs, count, on_event, stop, quiet, tables=not shared
                )
                coordinator.strip(todo)
        finally:
            page = None if shared else write_results(partial(rows, out), out)
    counts = {"done": count.done + count.skipped, "failed": count.failed, "skipped": count.skipped}
    report = str(page) if page else None
    on_event({"event": "end", **counts, "report": report, "verdicts": count.verdicts})
    if count.settled < count.total:
        raise Cancelled(
            f"Interrupted with {count.settled} of {count.total} scans done; start the same "
            "command again to go on."
        )
    csv = None if shared else out / CSV_TABLE
    return BatchResult(count.done, count.failed, count.skipped, csv, page, count.verdicts)


def require_packages(scheduler: str | None) -> None:
    """Raise EngineError, with what to install, where a package of the workers is missing."""
    needed: tuple[str, ...]
    who, needed, extra = "A batch", ("psutil",), "batch"
    if scheduler:
        who, needed, extra = "--scheduler", ("dask", "distributed"), "cluster"
    if missing := [name for name in needed if not importlib.util.find_spec(name)]:
        what = " and ".join(missing)
        raise EngineError(f"{who} needs {what}; use 'pip install \"skullstrip[{extra}]\"'.")


def _left_to_do(
    scans: list[Scan], job: Job, count: Count, on_event: OnEvent, stop: Callable[[], bool]
) -> list[Task]:
    """Choose the scans that are to be done, and say why; count and tell of the others."""
    todo = []
    for scan, reason in reasons_to_do(scans, job.out, job.options, job.digest):
        if stop():
            return []
        if reason:
            todo.append((scan, reason))
        else:
            entry = read_record(scan.name, job.out)  # None where `redo` passed over a new one
            on_event(count.add(entry.row if entry else {"name": scan.name}))
    return todo


def _digest(options: BatchOptions) -> str:
    manifest, weights_path = load_manifest(options.method.weights)
    read_weights_file(manifest, weights_path)  # altered ones end the batch, not each of its scans
    if manifest.int8_file:
        read_weights_file(manifest, weights_path, int8=True)
    calibration = load_calibration(manifest, weights_path.parent)
    return options.method.digest(manifest.weights_sha256 + manifest.int8_sha256, calibration.sha256)
