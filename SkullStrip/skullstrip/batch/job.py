"""What a worker does with one scan; everything that goes wrong becomes a row of the table."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path

from .._version import __version__
from ..apply import worst
from ..errors import SkullStripError, is_out_of_memory
from ..files import strip_file, write_by_mask
from ..io.annex import fetch
from ..io.atomic import atomic_outputs
from ..io.nibabel_images import write_turned_to_ras
from ..options import Options
from ..pipeline import BrainExtraction, load_engine
from ..report import quality_line, to_json
from .bids import sidecars
from .columns import CORRECTED, DONE, FAILED, Row
from .ledger import Entry, FileState
from .options import BatchOptions
from .scans import BETWEEN, Scan, sidecar_of

loaded_engine = lru_cache(maxsize=1)(load_engine)  # once in each process
NO_FILE = FileState(0, 0, "")  # of an input that cannot be read
JUDGEMENT = (  # which a mask that was corrected by hand no longer has
    "verdict", "judged", "reasons", "volume_error_ml", "dice_estimate", "dice_error",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """What a worker does with one scan.

    Parameters
    ----------
    correction : Entry, optional
        What is known of a scan whose mask somebody corrected, which is kept.
    writes : tuple of str
        Outputs that may be written.
    """

    scan: Scan
    correction: Entry | None = None
    writes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """Everything that a worker must know besides the scan; paths are as the worker sees them."""

    out: Path
    options: BatchOptions
    digest: str


def strip_one(scan: Scan, job: Job) -> Entry:
    """Strip a scan and write its outputs, sidecars included.

    Returns
    -------
    Entry
        For the ledger, whether it went well or not.
    """
    start = time.perf_counter()
    source = NO_FILE
    try:
        if job.options.get:
            fetch(scan.path)
        with suppress(OSError):  # of which reading it has more to say
            source = FileState.of(*scan.inputs)
        result = _strip(scan, job)
        outputs = {path: FileState.of(job.out / path) for path in scan.outputs}
        findings = _findings(result, scan) | {
            "status": DONE,
            "mask_sha256": outputs[scan.mask].sha256,
        }
        findings |= {"brain_mask": scan.mask, "brain": scan.brain, "qc": scan.qc}
        findings["turned"] = _turned(result, job.options.method)
        findings["message"] = "; ".join(filter(None, (str(findings["message"]), scan.note)))
    except Exception as error:  # noqa: BLE001  (one bad scan stops none of the rest)
        outputs, findings = {}, {"status": FAILED, "message": sentence(error)}
    findings["seconds"] = round(time.perf_counter() - start, 3)
    return Entry(
        described(scan, job.options.method, source) | findings, source, job.digest, outputs
    )


def do(task: Task, job: Job) -> Entry:
    """Strip a scan, or take on the mask that somebody corrected."""
    if task.correction is None:
        return strip_one(task.scan, job)
    return take_correction(task.scan, task.correction, task.writes, job)


def take_correction(scan: Scan, known: Entry, writes: tuple[str, ...], job: Job) -> Entry:
    """Keep a mask that somebody corrected: measure it, and bring brain and picture in line with it.

    Parameters
    ----------
    known : Entry
        What was recorded of it before.
    writes : tuple of str
        Outputs that may be written.
    """
    start = time.perf_counter()
    try:
        source = FileState.of(*scan.inputs)
        volume_ml = write_by_mask(
            scan.path,
            job.out / scan.mask,
            brain=job.out / scan.brain if scan.brain in writes else None,
            qc=job.out / scan.qc if scan.qc in writes else None,
        )
        turned = [file for path in scan.for_fmriprep for file in (path, sidecar_of(path))]
        turned = [path for path in turned if path in writes]
        _write_beside(scan, job.out, turned)
        renewed = [scan.mask, *(path for path in (scan.brain, scan.qc) if path in writes), *turned]
        outputs = known.outputs | {path: FileState.of(job.out / path) for path in renewed}
        row = dict.fromkeys(JUDGEMENT) | {
            "status": CORRECTED,
            "message": "The mask was corrected by hand and is kept.",
            "volume_ml": round(volume_ml, 3),
            "mask_sha256": outputs[scan.mask].sha256,
            "input_sha256": source.sha256,
            "brain_mask": scan.mask,
            "brain": scan.brain,
            "qc": scan.qc,
        }
    except Exception as error:  # noqa: BLE001  (one bad mask stops none of the rest)
        source, outputs = known.source, known.outputs
        message = f"The mask was changed since it was made. {sentence(error)}"
        row = {"status": FAILED, "message": message}
    row["seconds"] = round(time.perf_counter() - start, 3)
    row["finished"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Entry(known.row | row, source, known.options, outputs)


def lost(scan: Scan, job: Job, message: str) -> Entry:
    """Return the entry of a scan that never came back from its workers."""
    findings: Row = {"status": FAILED, "message": message}
    return Entry(described(scan, job.options.method, NO_FILE) | findings, NO_FILE, job.digest)


def described(scan: Scan, options: Options, source: FileState) -> Row:
    """Return the columns that are known whatever becomes of the scan."""
    return {
        "name": scan.name,
        "path": scan.file,
        "subject": scan.subject,
        "session": scan.session,
        "border_mm": options.border_mm,
        "csf": "kept" if options.keep_csf else "removed",
        "reorient": "yes" if options.reorient else "no",
        "views": str(options.views),
        "version": __version__,
        "input_sha256": source.sha256,
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def sentence(error: BaseException) -> str:
    """One sentence for the table."""
    if is_out_of_memory(error):
        return "There is not enough memory for this scan; use fewer --jobs."
    text = " ".join(str(error).split())
    return text if isinstance(error, SkullStripError) else f"{type(error).__name__}: {text}"


def _strip(scan: Scan, job: Job) -> BrainExtraction:
    out, method = job.out, job.options.method
    for path in scan.outputs:
        (out / path).parent.mkdir(parents=True, exist_ok=True)
    result = strip_file(
        scan.path,
        replace(method, engine=loaded_engine(method)),
        brain=out / scan.brain,
        mask=out / scan.mask,
        qc=out / scan.qc,
        apply_to={
            other.path: {"brain": out / other.brain, "mask": out / other.mask, "qc": out / other.qc}
            for other in scan.apply_to
        },
    )
    _write_beside(scan, out, scan.outputs)
    return result


def _write_beside(scan: Scan, out: Path, writes: Sequence[str]) -> None:
    """Write those of the sidecars, and of the masks turned for fMRIPrep, that may be written."""
    with atomic_outputs() as staged:
        for path in set(scan.for_fmriprep).intersection(writes):
            write_turned_to_ras(out / scan.mask, staged(out / path))
        for path in set(beside := sidecars(scan)).intersection(writes):
            staged(out / path).write_text(to_json(beside[path]), encoding="utf-8")


def _findings(result: BrainExtraction, scan: Scan) -> Row:
    others = [*zip((other.path.name for other in scan.apply_to), result.carried, strict=True)]
    reasons = [check.message for check in result.quality]
    reasons += [f"{name}: {check.message}" for name, each in others for check in each.quality]
    return {
        "verdict": worst(each.verdict for each in (result, *result.carried)),
        "judged": result.judged,
        "reasons": "; ".join(reasons),
        "applied_to": "; ".join(f"{name}: {quality_line(each)}" for name, each in others),
        "qc_applied": BETWEEN.join(other.qc for other in scan.apply_to),
        "volume_ml": round(result.volume_ml, 3),
        "volume_error_ml": _rounded(result.volume_error_ml, 2),
        "dice_estimate": _rounded(result.dice_estimate, 4),
        "dice_error": _rounded(result.dice_error, 4),
        "message": "; ".join(
            check.message for check in result.checks if check not in result.quality
        ),
        "views_used": result.views_used,
        "engine": result.engine,
        "device": result.device,
        "weights_sha256": result.weights_sha256,
        "calibration_sha256": result.calibration_sha256,
    }


def _turned(result: BrainExtraction, options: Options) -> str:
    lies_otherwise = any(check.code == "orientation_unlikely" for check in result.checks)
    return "yes" if lies_otherwise and options.reorient else "no"


def _rounded(value: float, digits: int) -> float | None:
    """Nothing for what is not known: NaN is no value of a table."""
    return None if math.isnan(value) else round(float(value), digits)
