"""What a batch may be told besides how a scan is stripped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..options import Options

REDO = ("rejected", "failed", "check")
REFERENCES = ("first-lex", "sessionwise")  # of fMRIPrep's --subject-anatomical-reference


@dataclass(frozen=True)
class BatchOptions:
    """Which scans are worked through, and how. Making others than valid ones raises InputError.

    Parameters
    ----------
    method : Options
        How each scan is stripped; its threads count for each.
    bids : bool
        The source is a BIDS data set; outputs are BIDS derivatives.
    participants, sessions : sequence of str
        BIDS labels to keep; all by default.
    fmriprep : {"first-lex", "sessionwise"}, optional
        Write into `fmriprep_<reference>` the masks that `fmriprep --derivatives` takes when it runs
        with that `--subject-anatomical-reference`.
    also : sequence of str
        BIDS suffixes, T2w or FLAIR, of scans that get the mask of their session's first T1w scan.
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
    bids: bool = False
    participants: Sequence[str] = ()
    sessions: Sequence[str] = ()
    fmriprep: str | None = None
    also: Sequence[str] = ()
    jobs: int | None = None
    scheduler: str | None = None
    overwrite: bool = False
    redo: str | None = None
    decisions: str | Path | None = None
    get: bool = False

    def __post_init__(self) -> None:
        if self.redo not in (None, *REDO):
            raise InputError(f"'{self.redo}' cannot be redone; use one of {', '.join(REDO)}.")
        if self.fmriprep not in (None, *REFERENCES):
            raise InputError(
                f"fMRIPrep has no reference '{self.fmriprep}'; use one of {', '.join(REFERENCES)}."
            )
