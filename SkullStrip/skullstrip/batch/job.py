"""What a worker does with one scan; everything that goes wrong becomes a row of the table."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path

from .._version import __version__
from ..apply import worst
from ..errors import OutputError, SkullStripError, is_out_of_memory
from ..files import strip_images, write_by_mask, write_outputs
from ..io.annex import fetch
from ..io.atomic import atomic_outputs
from ..io.images import read_image
from ..io.nibabel_images import write_turned_to_ras
from ..options import Options
from ..pipeline import BrainExtraction, load_engine
from ..report import quality_line, report, rounded, to_json
from . import records
from .bids import sidecars
from .options import BatchOptions
from .records import CORRECTED, DONE, FAILED, Entry, FileState, Row, read_record, write_record
from .scans import BETWEEN, Scan, sidecar_of

loaded_engine = lru_cache(maxsize=1)(load_engine)  # once in each process
NO_FILE = FileState(0, 0, "")  # of an input that cannot be read
MASK_CORRECTED = "mask corrected by hand, kept"
UNFINISHED = "The batch was killed while the outputs of this scan were moved into place."
JUDGEMENT = (  # which a mask that was corrected by hand no longer has
    "verdict", "judged", "reasons", "places", "volume_error_ml", "dice_estimate", "dice_error",
)  # fmt: skip
Task = tuple[Scan, str]  # and why it is to be done


@dataclass(frozen=True)
class Job:
    """Everything that a worker must know besides the scan; paths are as the worker sees them."""

    out: Path
    options: BatchOptions
    digest: str


def do(task: Task, job: Job) -> Row:
    """Strip a scan, or take on the mask that somebody corrected; returns its row.

    It is recorded, too, whether it went well or not.
    """
    scan, reason = task
    start = time.perf_counter()
    known = read_record(scan.name, job.out)
    if known and reason == MASK_CORRECTED:
        entry = _take_correction(scan, known, job)
    else:
        entry = _strip(scan, known, job)
    entry.row["seconds"] = round(time.perf_counter() - start, 3)
    return _record(entry, job)


def give_up(scan: Scan, job: Job, message: str) -> Row:
    """Record a scan that was not stripped, and return its row."""
    return _record(_failed(scan, job, NO_FILE, message), job)


def _record(entry: Entry, job: Job) -> Row:
    entry.row["finished"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
    write_record(entry, job.out)
    return entry.row


def sentence(error: BaseException) -> str:
    """One sentence for the table."""
    if is_out_of_memory(error):
        return "There is not enough memory for this scan; use fewer --jobs."
    text = " ".join(str(error).split())
    return text if isinstance(error, SkullStripError) else f"{type(error).__name__}: {text}"


def _strip(scan: Scan, known: Entry | None, job: Job) -> Entry:
    """Strip a scan and write its outputs, sidecars included."""
    source = NO_FILE
    try:
        if job.options.get:
            fetch(scan.path)
        with suppress(OSError):  # of which reading it has more to say
            source = FileState.of(*scan.inputs)
        if theirs := _strangers(scan, known, job):
            raise OutputError(
                f"{theirs[0]} was there already or was changed since, and is kept; move it away, "
                "name another output folder, or use --overwrite."
            )
        method = replace(job.options.method, engine=loaded_engine(job.options.method))
        scans = [*map(read_image, scan.inputs)]
        result = strip_images(scans, method)
        before = known or Entry(described(scan, job, NO_FILE, UNFINISHED), NO_FILE, job.digest)
        with _staged(scan.outputs, before, job) as (places, states):
            outputs = [each.images for each in (scan, *scan.apply_to)]
            write_outputs(scans, result, method, outputs, places.__getitem__)
            _write_beside(scan, places[scan.mask], places)
        row = _reported(result, scan, method) | described(scan, job, source)
        row |= _findings(result, scan, method) | _places(scan, states[scan.mask], DONE)
        return Entry(row, source, job.digest, states)
    except Exception as error:  # noqa: BLE001  (one bad scan stops none of the rest)
        return _failed(scan, job, source, sentence(error))


def _take_correction(scan: Scan, known: Entry, job: Job) -> Entry:
    """Keep a mask that was corrected: measure it, and bring brain and picture in line with it."""
    try:
        source = FileState.of(*scan.inputs)
        turned = [file for path in scan.for_fmriprep for file in (path, sidecar_of(path))]
        theirs = _strangers(scan, known, job)
        writes = [path for path in (scan.brain, scan.qc, *turned) if path not in theirs]
        with _staged(writes, known, job) as (places, states):
            corrected = job.out / scan.mask
            brain, qc = places.get(scan.brain), places.get(scan.qc)
            volume_ml = write_by_mask(scan.path, corrected, brain, qc)
            _write_beside(scan, corrected, places)
        mask = FileState.of(corrected)
        row = known.row | dict.fromkeys(JUDGEMENT) | _places(scan, mask, CORRECTED)
        row["message"] = "The mask was corrected by hand and is kept."
        row |= {"volume_ml": round(volume_ml, 3), "input_sha256": source.sha256}
        return Entry(row, source, known.options, known.outputs | states | {scan.mask: mask})
    except Exception as error:  # noqa: BLE001  (one bad mask stops none of the rest)
        message = f"The mask was changed since it was made. {sentence(error)}"
        latest = read_record(scan.name, job.out) or known
        return replace(latest, row=known.row | {"status": FAILED, "message": message})


def _strangers(scan: Scan, known: Entry | None, job: Job) -> list[str]:
    """Return the outputs of a scan that are there, and not ours to replace."""
    if job.options.overwrite:
        return []
    return [path for path in scan.outputs if records.is_stranger(path, known, job.out)]


@contextmanager
def _staged(
    writes: Iterable[str], before: Entry, job: Job
) -> Iterator[tuple[dict[str, Path], dict[str, FileState]]]:
    """Give the paths to write at, and a dict that holds at the end what was written.

    Before anything is moved into place, the record tells what will be.
    """
    states: dict[str, FileState] = {}
    with atomic_outputs() as staged:
        places = {path: staged(job.out / path) for path in writes}
        yield places, states
        states |= {path: FileState.of(place) for path, place in places.items()}
        write_record(replace(before, begun=before.begun | states), job.out)


def _places(scan: Scan, mask: FileState, status: str) -> Row:
    """Return the columns of a scan that has a mask."""
    named = {"brain_mask": scan.mask, "brain": scan.brain, "qc": scan.qc}
    return {"status": status, "mask_sha256": mask.sha256, **named}


def _write_beside(scan: Scan, mask: Path, places: dict[str, Path]) -> None:
    """Write those of the sidecars, and of the masks turned for fMRIPrep, that have a place."""
    for path in places.keys() & set(scan.for_fmriprep):
        write_turned_to_ras(mask, places[path])
    for path, content in sidecars(scan).items():
        if path in places:
            places[path].write_text(to_json(content), encoding="utf-8")


def _failed(scan: Scan, job: Job, source: FileState, message: str) -> Entry:
    """Return the entry of a scan that failed; what was made of it before is there still."""
    row = described(scan, job, source, message)
    known = read_record(scan.name, job.out) or Entry(row, source, job.digest)
    return replace(known, row=row, source=source, options=job.digest)


def described(scan: Scan, job: Job, source: FileState, failure: str = "") -> Row:
    """Return the columns that are known whatever becomes of the scan."""
    options = job.options.method
    return {
        "name": scan.name,
        "path": scan.file,
        "subject": scan.subject,
        "session": scan.session,
        "status": FAILED,
        "message": failure,
        "border_mm": options.border_mm,
        "csf": "kept" if options.keep_csf else "removed",
        "reorient": "yes" if options.reorient else "no",
        "views": str(options.views),
        "version": __version__,
        "input_sha256": source.sha256,
    }


def _reported(result: BrainExtraction, scan: Scan, options: Options) -> Row:
    """Return the columns that are called as in the report."""
    found = report(result, options, inputs=scan.inputs, outputs=[{}] * len(scan.inputs))
    return {name: found[name] for name in records.COLUMNS if name in found}


def _findings(result: BrainExtraction, scan: Scan, options: Options) -> Row:
    """Return the columns that put findings into words."""
    others = [*zip((other.path.name for other in scan.apply_to), result.carried, strict=True)]
    reasons = [check.message for check in result.quality]
    reasons += [f"{name}: {check.message}" for name, each in others for check in each.quality]
    notes = [check.message for check in result.checks if check not in result.quality]
    lies_otherwise = any(check.code == "orientation_unlikely" for check in result.checks)
    return {
        "verdict": worst(each.verdict for each in (result, *result.carried)),
        "reasons": "; ".join(reasons),
        "places": "; ".join(" ".join(map(str, c.position_ras or ())) for c in result.quality),
        "volume_error_ml": rounded(result.volume_error_ml, 2),
        "message": "; ".join(filter(None, (*notes, scan.note))),
        "applied_to": "; ".join(f"{name}: {quality_line(each)}" for name, each in others),
        "qc_applied": BETWEEN.join(other.qc for other in scan.apply_to),
        "turned": "yes" if lies_otherwise and options.reorient else "no",
    }
