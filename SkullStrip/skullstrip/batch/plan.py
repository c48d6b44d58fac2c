"""Which scans of a batch are still to be done, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import InputError
from ..escaping import escaped
from .job import MASK_CORRECTED, Task
from .options import BatchOptions
from .records import CORRECTED, DONE, FAILED, Entry, is_stranger, read_record, there
from .scans import Scan
from .tables import DECISIONS, REJECT, read_decisions


def reasons_to_do(
    scans: Iterable[Scan], out: Path, options: BatchOptions, digest: str
) -> Iterator[Task]:
    """Why each scan is to be done, in a few words; "" for one that is not.

    `digest` is that of the options and the weights. Raise InputError for decisions that cannot be
    read, and where what another input became would be replaced.
    """
    decided: dict[str, str] = {}
    if options.redo == "rejected":
        decided = read_decisions(Path(options.decisions or out / DECISIONS))
    for scan in scans:
        entry = read_record(scan.name, out)
        kept = None if options.overwrite or not entry else _reason_if_corrected(entry, scan, out)
        if kept is not None:
            yield scan, kept
        elif options.redo:
            yield scan, _reason_to_redo(options.redo, entry, decided.get(escaped(scan.name)))
        elif entry is None:
            yield scan, "new"
        else:
            why = "to be overwritten" if options.overwrite else _reason(entry, scan, out, digest)
            yield scan, why


def _reason_to_redo(redo: str, entry: Entry | None, decision: str | None) -> str:
    if redo == "rejected":
        return "rejected" if decision == REJECT else ""
    status, verdict = (entry.row["status"], entry.row["verdict"]) if entry else (None, None)
    if redo == "failed":
        return "failed before" if status == FAILED else ""
    return "to be checked" if status == DONE and verdict not in ("pass", None, "") else ""


def _reason_if_corrected(entry: Entry, scan: Scan, out: Path) -> str | None:
    """Why a scan whose mask somebody corrected is looked at; None for one with a mask of ours."""
    is_known = scan.mask in entry.outputs or scan.mask in entry.begun
    if is_known and is_stranger(scan.mask, entry, out):
        _refuse_another(entry, scan, out)
        return MASK_CORRECTED
    if entry.row["status"] != CORRECTED or not there(out / scan.mask):
        return None
    others = (scan.brain, scan.qc, *scan.for_fmriprep)
    is_complete = all(there(out / path) for path in others)
    return "" if is_complete and entry.source.still_holds(*scan.inputs) else MASK_CORRECTED


def _refuse_another(entry: Entry, scan: Scan, out: Path) -> None:
    """Refuse to replace what another scan of the same name became.

    A scan that was moved, or is called by another path, is the same.
    """
    other = Path(str(entry.row["path"]))
    if other == scan.path or not other.exists() or entry.source.still_holds(*scan.inputs):
        return
    if scan.path.exists() and scan.path.samefile(other):
        return
    raise InputError(
        f"'{scan.name}' in '{out}' was made of {other}, and {scan.path} would replace it; name "
        "another output folder, or use --overwrite."
    )


def _reason(entry: Entry, scan: Scan, out: Path, digest: str) -> str:
    """Done is what has its outputs, whole, of this input by these options."""
    if entry.row["status"] == FAILED:
        return "failed before"
    _refuse_another(entry, scan, out)
    if entry.options != digest:
        return "other options"
    if not entry.source.still_holds(*scan.inputs):
        return "input changed"
    if not all(state.still_holds(out / path) for path, state in entry.outputs.items()):
        return "output changed"
    wanted = {"no mask for fMRIPrep yet": scan.for_fmriprep}
    wanted["not applied to all yet"] = tuple(other.mask for other in scan.apply_to)
    return next((why for why, paths in wanted.items() if set(paths) - set(entry.outputs)), "")
