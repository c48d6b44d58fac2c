"""One scan of a batch: whether it is to be done and why, and what a worker does with it.

Whatever goes wrong with a scan becomes its row of the table.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path

from .._version import __version__
from ..apply import worst
from ..errors import InputError, OutputError, SkullStripError, WeightsError, is_out_of_memory
from ..escaping import escaped
from ..files import strip_images, write_by_mask, write_outputs
from ..io.images import fetch, read_image
from ..io.nibabel_images import write_turned_to_ras
from ..pipeline import BrainExtraction, load_engine
from ..report import quality_line, report, rounded, to_json
from . import records
from .bids import sidecars
from .options import BatchOptions
from .records import CORRECTED, DONE, FAILED, Entry, FileState, Row, read_record
from .scans import BETWEEN, Scan, sidecar_of
from .tables import DECISIONS, REJECT, read_decisions

loaded_engine = lru_cache(maxsize=1)(load_engine)  # once in each process
NO_FILE = FileState(0, 0, "")  # of an input that cannot be read
MASK_CORRECTED = "mask corrected by hand, kept"
JUDGEMENT = (  # which a mask that was corrected by hand no longer has
    "verdict", "judged", "reasons", "places", "volume_error_ml", "dice_estimate", "dice_error",
)  # fmt: skip
Task = tuple[Scan, str]  # and why it is to be done


@dataclass(frozen=True)
class Job:
    """Everything that a worker must know besides the scan; paths are as the worker sees them."""

    out: Path
    options: BatchOptions
    digest: str  # of the options and the weights


def reasons_to_do(scans: Iterable[Scan], job: Job) -> Iterator[Task]:
    """Why each scan is to be done, in a few words; "" for one that is not.

    Raise InputError for decisions that cannot be read, and where what another input became would be
    replaced.
    """
    options, decided = job.options, dict[str, str]()
    if options.redo == "rejected":
        decided = read_decisions(Path(options.decisions or job.out / DECISIONS))
    for scan in scans:
        entry = read_record(scan.name, job.out)
        kept = None if options.overwrite or not entry else _reason_if_corrected(entry, scan, job)
        if kept is not None:
            yield scan, kept
        elif options.redo:
            yield scan, _reason_to_redo(options.redo, entry, decided.get(escaped(scan.name)))
        elif entry is None:
            yield scan, "new"
        else:
            yield scan, "to be overwritten" if options.overwrite else _reason(entry, scan, job)


def _reason_if_corrected(entry: Entry, scan: Scan, job: Job) -> str | None:
    """Why a scan whose mask somebody corrected is looked at; None for one with a mask of ours."""
    is_known = scan.mask in entry.outputs or scan.mask in entry.earlier
    if is_known and records.is_stranger(scan.mask, entry, job.out):
        _refuse_another(entry, scan, job)
        return MASK_CORRECTED
    if entry.row["status"] != CORRECTED or not records.files_there(job.out / scan.mask):
        return None
    others = (scan.brain, scan.qc, *scan.for_fmriprep)
    is_complete = all(records.files_there(job.out / path) for path in others)
    return "" if is_complete and entry.source.still_holds(*scan.inputs) else MASK_CORRECTED


def _reason_to_redo(redo: str, entry: Entry | None, decision: str | None) -> str:
    if redo == "rejected":
        return "rejected" if decision == REJECT else ""
    status, verdict = (entry.row["status"], entry.row["verdict"]) if entry else (None, None)
    if redo == "failed":
        return "failed before" if status == FAILED else ""
    return "to be checked" if status == DONE and verdict not in ("pass", None, "") else ""


def _reason(entry: Entry, scan: Scan, job: Job) -> str:
    """Done is what has its outputs, whole, of this input by these options."""
    if entry.row["status"] == FAILED:
        return "failed before"
    _refuse_another(entry, scan, job)
    if entry.options != job.digest:
        return "other options"
    if not entry.source.still_holds(*scan.inputs):
        return "input changed"
    # Corrections of the mask on other scans stay, and are no reason to begin again.
    others = {path for other in scan.apply_to for path in other.outputs}
    kept = {path for path in others if records.is_stranger(path, entry, job.out)}
    outputs = [(path, state) for path, state in entry.outputs.items() if path not in kept]
    if not all(state.still_holds(job.out / path) for path, state in outputs):
        return "output changed"
    if set(scan.for_fmriprep) - entry.outputs.keys():
        return "no mask for fMRIPrep yet"
    masks = {other.mask for other in scan.apply_to}
    return "not applied to all yet" if masks - entry.outputs.keys() else ""


def _refuse_another(entry: Entry, scan: Scan, job: Job) -> None:
    """Refuse to replace what another scan of the same name became.

    A scan that was moved, or is called by another path, is the same.
    """
    other = Path(str(entry.row["path"]))
    if other == scan.path or not other.exists() or entry.source.still_holds(*scan.inputs):
        return
    if scan.path.exists() and scan.path.samefile(other):
        return
    raise InputError(
        f"'{scan.name}' in '{job.out}' was made of {other}, and {scan.path} would replace it; name "
        "another output folder, or use --overwrite."
    )


def process_scan(task: Task, job: Job) -> Row:
    """Strip a scan, or take on the mask that somebody corrected; returns its row.

    It is recorded, too, whether it went well or not. Raise WeightsError for weights that are
    missing or altered, for which no scan is to blame.
    """
    scan, reason = task
    start, source = time.perf_counter(), NO_FILE
    known = read_record(scan.name, job.out)
    corrected = known if reason == MASK_CORRECTED else None
    try:
        if job.options.get:
            fetch(*scan.inputs)
        with suppress(OSError):  # of which reading it has more to say
            source = FileState.of(*scan.inputs)
        if corrected:
            return _take_correction(scan, corrected, source, job, start)
        return _strip(scan, known, source, job, start)
    except WeightsError:
        raise
    except Exception as error:  # noqa: BLE001  (one bad scan stops none of the rest)
        if not corrected:
            return give_up(scan, job, sentence(error), source, start)
        message = f"The mask was changed since it was made. {sentence(error)}"
        row = corrected.row | {"status": FAILED, "message": message} | _spent(start)
        latest = read_record(scan.name, job.out) or corrected
        records.write_record(replace(latest, row=row), job.out)
        return row


def give_up(
    scan: Scan, job: Job, message: str, source: FileState = NO_FILE, start: float | None = None
) -> Row:
    """Record a scan that was not stripped, and return its row; files made before stay ours."""
    row = _described(scan, job, source, message) | _spent(start)
    known = read_record(scan.name, job.out) or Entry(row, source, job.digest)
    records.write_record(replace(known, row=row, source=source, options=job.digest), job.out)
    return row


def _spent(start: float | None) -> Row:
    """Return the columns that tell of time."""
    finished = datetime.now(timezone.utc).isoformat(timespec="seconds")
    seconds = {} if start is None else {"seconds": round(time.perf_counter() - start, 3)}
    return {**seconds, "finished": finished}


def sentence(error: BaseException) -> str:
    """One sentence for the table."""
    if is_out_of_memory(error):
        return "There is not enough memory for this scan; use fewer --jobs."
    text = " ".join(str(error).split())
    return text if isinstance(error, SkullStripError) else f"{type(error).__name__}: {text}"


def _strip(scan: Scan, known: Entry | None, source: FileState, job: Job, start: float) -> Row:
    """Strip a scan and write its outputs, sidecars included."""
    if theirs := _strangers(scan, known, job):
        raise OutputError(
            f"{theirs[0]} was there already or was changed since, and is kept; move it away, "
            "name another output folder, or use --overwrite."
        )
    method = replace(job.options.method, engine=loaded_engine(job.options.method))
    scans = [*map(read_image, scan.inputs)]
    result = strip_images(scans, method)
    earlier = known.outputs if known else {}
    with records.recorded(scan.name, scan.outputs, earlier, job.out) as (places, record):
        outputs = [each.images for each in (scan, *scan.apply_to)]
        write_outputs(scans, result, method, outputs, places.__getitem__)
        _write_beside(scan, places[scan.mask], places)
        row = _found(result, scan, job, source) | _places(scan, places[scan.mask], DONE)
        return record(Entry(row | _spent(start), source, job.digest))


def _take_correction(scan: Scan, known: Entry, source: FileState, job: Job, start: float) -> Row:
    """Keep a mask that was corrected: measure it, and bring brain and picture in line with it."""
    turned = [file for path in scan.for_fmriprep for file in (path, sidecar_of(path))]
    theirs, mask = _strangers(scan, known, job), job.out / scan.mask
    writes = [path for path in (scan.brain, scan.qc, *turned) if path not in theirs]
    with records.recorded(scan.name, writes, known.outputs, job.out) as (places, record):
        volume_ml = write_by_mask(scan.path, mask, places.get(scan.brain), places.get(scan.qc))
        _write_beside(scan, mask, places)
        row = known.row | dict.fromkeys(JUDGEMENT) | _places(scan, mask, CORRECTED)
        row |= {"volume_ml": round(volume_ml, 3), "input_sha256": source.sha256}
        row |= {"message": "The mask was corrected by hand and is kept.", **_spent(start)}
        kept = known.outputs | {scan.mask: FileState.of(mask)}
        return record(Entry(row, source, known.options, kept))


def _strangers(scan: Scan, known: Entry | None, job: Job) -> list[str]:
    """Return the outputs of a scan that are there, and not ours to replace."""
    if job.options.overwrite:
        return []
    return [path for path in scan.outputs if records.is_stranger(path, known, job.out)]


def _write_beside(scan: Scan, mask: Path, places: dict[str, Path]) -> None:
    """Write those of the sidecars, and of the masks turned for fMRIPrep, that have a place."""
    for path in places.keys() & set(scan.for_fmriprep):
        write_turned_to_ras(mask, places[path])
    for path, content in sidecars(scan).items():
        if path in places:
            places[path].write_text(to_json(content), encoding="utf-8")


def _described(scan: Scan, job: Job, source: FileState, message: str) -> Row:
    """Return the columns that are known whatever becomes of the scan."""
    return {
        "name": scan.name,
        "path": scan.file,
        "subject": scan.subject,
        "session": scan.session,
        "status": FAILED,
        "message": message,
        **job.options.method.settings(),
        "version": __version__,
        "input_sha256": source.sha256,
    }


def _found(result: BrainExtraction, scan: Scan, job: Job, source: FileState) -> Row:
    """Return the columns of a scan that was stripped; most are called as in the report."""
    content = report(
        result, job.options.method, inputs=scan.inputs, outputs=[{}] * len(scan.inputs)
    )
    reported = {name: content[name] for name in records.COLUMNS if name in content}
    others = [*zip((other.path.name for other in scan.apply_to), result.carried, strict=True)]
    reasons = [check.message for check in result.quality]
    reasons += [f"{name}: {check.message}" for name, each in others for check in each.quality]
    notes = [check.message for check in result.checks if check not in result.quality]
    message = "; ".join(filter(None, (*notes, scan.note)))
    lies_otherwise = any(check.code == "orientation_unlikely" for check in result.checks)
    return {
        **reported,
        **_described(scan, job, source, message),
        "verdict": worst(each.verdict for each in (result, *result.carried)),
        "reasons": "; ".join(reasons),
        "places": "; ".join(" ".join(map(str, c.position_ras or ())) for c in result.quality),
        "volume_error_ml": rounded(result.volume_error_ml, 2),
        "applied_to": "; ".join(f"{name}: {quality_line(each)}" for name, each in others),
        "qc_applied": BETWEEN.join(other.qc for other in scan.apply_to),
        "turned": lies_otherwise and job.options.method.reorient,
    }


def _places(scan: Scan, mask: Path, status: str) -> Row:
    """Return the columns of a scan that has a mask."""
    named = {"brain_mask": scan.mask, "brain": scan.brain, "qc": scan.qc}
    return {"status": status, "mask_sha256": records.sha256_of(mask), **named}
