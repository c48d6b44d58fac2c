"""What a batch may be told besides how a scan is stripped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..options import Options

REDO = ("rejected", "failed", "check")
REFERENCES = ("first-lex", "sessionwise")  # of fMRIPrep's --subject-anatomical-reference


@dataclass(frozen=True)
class BatchOptions:
    """How many scans are worked through.

    Parameters
    ----------
    method : Options
        How each scan is stripped; its threads count for each.
    jobs : int, optional
        Worker processes; by default as many as processors and memory allow.
    scheduler : str, optional
        Address of a running Dask scheduler, whose workers do the scans.
    overwrite : bool
        Strip again what is done, and replace what was corrected by hand or is somebody else's.
    redo : {"rejected", "failed", "check"}, optional
        Only scans that somebody rejected, that failed, or whose verdict was not "pass".
    decisions : path, optional
        The CSV that the report page exports; `decisions.csv` in the output folder by default.
    get : bool
        Fetch scans whose content git-annex keeps elsewhere.
    """

    method: Options = Options()
    jobs: int | None = None
    scheduler: str | None = None
    overwrite: bool = False
    redo: str | None = None
    decisions: str | Path | None = None
    get: bool = False
