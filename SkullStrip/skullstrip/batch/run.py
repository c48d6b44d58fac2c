"""A whole batch: what is to be done, who does it, and what is written about it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import Cancelled, EngineError, OutputError
from ..network.manifest import load_manifest, read_weights_file
from ..options import Options
from ..outputs import Inputs
from ..quality.calibration import load_calibration
from . import bids, bids_dataset, fmriprep
from .coordinator import Coordinator
from .job import MASK_CORRECTED, Job, Task, give_up
from .options import BatchOptions
from .plan import reasons_to_do
from .progress import BatchResult, OnEvent, ignore_event
from .records import RECORDS, held, read_record, rows
from .results import CSV_TABLE, RESULTS, refuse_strangers, write_results
from .scans import Scan, find_scans


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
    yield from reasons_to_do(scans_of(source, out, options), out, options, _digest(options))


def run_batch(
    source: str,
    out: Path,
    options: BatchOptions,
    *,
    on_event: OnEvent = ignore_event,
    stop: Callable[[], bool] = lambda: False,
    quiet: bool = True,
    shared: bool = False,
) -> BatchResult:
    """Strip what is to be stripped; see `strip_batch`.

    `on_event` gets the events of `progress`. `stop` is asked often; once it says True, scans that
    were begun are finished and no others, and Cancelled is raised. `quiet` keeps what Dask and the
    workers say off stderr. With `shared` other batches may work in the same output folder, each on
    other scans: one job for each participant is how BIDS Apps run on clusters. Table and page are
    left to `group` then.
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
    coordinator = Coordinator(job, result, on_event, stop, quiet, tables=not shared)
    with held(out, shared):
        if options.bids:
            _describe(Path(source), out, options)
        todo = _left_to_do(scans, job, inputs, result, on_event, stop)
        try:
            if todo:
                coordinator.strip(todo)
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


def scans_of(source: str, out: Path, options: BatchOptions) -> list[Scan]:
    """Find the scans; raise InputError where there are none, or they cannot be told apart."""
    if not options.bids:
        return find_scans(source, out)
    data_set = Path(source)
    bids_dataset.require_place(data_set, out)
    scans = bids.find_bids_scans(data_set, options.participants, options.sessions, options.also)
    if options.fmriprep is None:
        return scans
    everyone = bids.find_bids_scans(data_set, options.participants)
    return fmriprep.with_masks(scans, everyone, options.fmriprep)


def require_packages(scheduler: str | None) -> None:
    """Raise EngineError, with what to install, where a package of the workers is missing."""
    who, needed, extra = "A batch", ["psutil"], "batch"
    if scheduler:
        who, needed, extra = "--scheduler", ["dask", "distributed"], "cluster"
    if missing := [name for name in needed if not importlib.util.find_spec(name)]:
        what = " and ".join(missing)
        raise EngineError(f"{who} needs {what}; use 'pip install \"skullstrip[{extra}]\"'.")


def _describe(data_set: Path, out: Path, options: BatchOptions) -> None:
    """Write what BIDS wants to know of the output folder."""
    bids_dataset.write_dataset_files(data_set, out)
    if options.fmriprep is not None:
        folder = out / fmriprep.folder_of(options.fmriprep)
        bids_dataset.write_dataset_files(data_set, folder, fmriprep.readme_of(options.fmriprep))


def _left_to_do(
    scans: list[Scan],
    job: Job,
    inputs: Inputs,
    result: BatchResult,
    on_event: OnEvent,
    stop: Callable[[], bool],
) -> list[Task]:
    """Choose the scans that are to be done, and say why; count and tell of the others."""
    todo = []
    for scan, reason in reasons_to_do(scans, job.out, job.options, job.digest):
        if stop():
            return []
        if not reason:
            entry = read_record(scan.name, job.out)  # None where `redo` passed over a new one
            on_event(result.add(entry.row if entry else {"name": scan.name}))
            continue
        kept = [scan.mask] if reason == MASK_CORRECTED else []
        try:
            inputs.refuse(job.out / path for path in scan.outputs if path not in kept)
        except OutputError as error:
            on_event(result.add(give_up(scan, job, str(error)), 0.0))
        else:
            todo.append((scan, reason))
    return todo


def _digest(options: BatchOptions) -> str:
    manifest, weights_path = load_manifest(options.method.weights)
    read_weights_file(manifest, weights_path)  # altered ones end the batch, not each of its scans
    if manifest.int8_file:
        read_weights_file(manifest, weights_path, int8=True)
    calibration = load_calibration(manifest, weights_path.parent)
    return options.method.digest(manifest.weights_sha256 + manifest.int8_sha256, calibration.sha256)
