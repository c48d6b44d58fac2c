"""What a batch may be told besides how a scan is stripped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..options import Options, _option, whole_number

GET_HELP = "fetch scans that DataLad or git-annex keep elsewhere; they are left here"
REDO = ("rejected", "failed", "check")
REFERENCES = ("first-lex", "sessionwise")  # of fMRIPrep's --subject-anatomical-reference


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))


def _label(name: str) -> tuple[str, ...]:
    """Return an option that the command takes as the BIDS Apps do."""
    flags, text = f"--{name}-label --{name}_label", f"only these {name}s, with or without prefix"
    labels: tuple[str, ...] = _option((), flags, text, group="BIDS", metavar="LABEL", nargs="+")
    return labels


@dataclass(frozen=True)
class BatchOptions:
    """Which scans are worked through, and how: as the help of each says.

    `method` is how each scan is stripped, its threads those of each; with `bids` the source is a
    BIDS data set, and the outputs are derivatives. Making invalid options raises InputError.
    """

    method: Options = Options()
    bids: bool = False
    participants: Sequence[str] = _label("participant")
    sessions: Sequence[str] = _label("session")
    also: Sequence[str] = _option(
        (), "--also", "other scans of a session, which get the mask of its first T1w scan: "
        "T2w,FLAIR,PDw", group="BIDS", metavar="SUFFIXES", type=_words,
    )  # fmt: skip
    fmriprep: str | None = _option(
        None, "--fmriprep", "write masks for 'fmriprep --derivatives OUT/fmriprep_REFERENCE', too, "
        "where it runs with this --subject-anatomical-reference", group="BIDS", choices=REFERENCES,
    )  # fmt: skip
    jobs: int | None = _option(
        None, "-j --jobs", "worker processes; default: as fit here", group="work", metavar="N"
    )
    scheduler: str | None = _option(
        None, "--scheduler", "use the workers of this running Dask scheduler", group="work",
        metavar="ADDRESS",
    )  # fmt: skip
    overwrite: bool = _option(
        False, "--overwrite", "strip again what is done or was corrected, and replace what is "
        "somebody else's", group="work",
    )  # fmt: skip
    redo: str | None = _option(
        None, "--redo", "only scans rejected on the report page, failed, or with a verdict other "
        "than pass", group="work", choices=REDO,
    )  # fmt: skip
    decisions: str | Path | None = _option(
        None, "--decisions", "what the report page exported; default OUT/decisions.csv",
        group="work", metavar="CSV",
    )  # fmt: skip
    get: bool = _option(False, "--get", GET_HELP, group="work")

    def __post_init__(self) -> None:
        if self.redo not in (None, *REDO):
            raise InputError(f"'{self.redo}' cannot be redone; use one of {', '.join(REDO)}.")
        if self.fmriprep not in (None, *REFERENCES):
            raise InputError(
                f"fMRIPrep has no reference '{self.fmriprep}'; use one of {', '.join(REFERENCES)}."
            )
        is_for_bids = self.participants or self.sessions or self.fmriprep or self.also
        if is_for_bids and not self.bids:
            raise InputError("Labels, --also and --fmriprep are for BIDS data sets; add --bids.")
        if self.jobs is not None and whole_number(self.jobs) < 1:
            raise InputError(f"The number of jobs is {self.jobs!r}; give 1 or more.")
        if self.scheduler and self.jobs:
            raise InputError("--jobs is for this machine's workers; leave it out with --scheduler.")
        if self.decisions and self.redo != "rejected":
            raise InputError("--decisions names what was rejected; add --redo rejected.")
