"""Looking through a batch's doubtful masks by hand: which, in what order, what became of each."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..checks.input_checks import Check
from ..errors import InputError, OutputError
from ..files import read_on_grid
from ..io.atomic import atomic_outputs
from ..io.images import Image, read_image, write_mask
from . import tables
from .records import CORRECTED, sha256_of
from .report_page import STATES, number, state_of
from .tables import ACCEPT, REJECT, name_in, text_of

NEEDED = ("name", "path", "status", "verdict", "brain_mask", "mask_sha256")
ADVICE = "open the results.csv that 'skullstrip batch' wrote"
BETWEEN_REASONS = re.compile(r"(?<=\.); ")  # each is a sentence


@dataclass
class Case:
    """A scan to be looked at."""

    row: dict[str, str]  # of results.csv
    mask: Path  # where the batch keeps it
    mask_sha256: str  # of that file now; empty where there is none
    decision: str  # accept, reject or empty

    @property
    def name(self) -> str:
        """What the batch calls the scan."""
        return name_in(self.row)

    @property
    def state(self) -> str:
        """Verdict, or "corrected" as soon as the mask is no longer the one that was judged."""
        is_other = self.mask_sha256 not in ("", self.row["mask_sha256"])
        return CORRECTED if is_other else state_of(self.row)

    @property
    def is_done(self) -> bool:
        """Whether the mask was accepted, or was corrected and not rejected after that."""
        return self.decision == ACCEPT or (self.state == CORRECTED and self.decision != REJECT)

    def report(self) -> dict[str, Any]:
        """Return what is known of the mask, by the keys of `skullstrip.report`."""
        if self.state == CORRECTED:
            return {}
        row = self.row
        numbers = ("volume_error_ml", "dice_estimate", "dice_error")
        texts = ("verdict", "engine", "device", "weights_sha256", "views_used")
        return {
            **{key: number(row.get(key)) for key in numbers},
            **{key: row[key] for key in texts if row.get(key)},
            "keep_csf": (row.get("keep_csf") or "").lower() != "false",
            "quality": [check.as_dict() for check in _reasons(row)],
        }


class Review:
    """The scans of a batch whose mask is doubtful, was rejected or was corrected, worst first.

    `table` is its results.csv. InputError is raised where that, or the decisions beside it, cannot
    be read, and where no scan needs a look.
    """

    def __init__(self, table: Path) -> None:
        self._decisions = table.parent / tables.DECISIONS
        decided = tables.read_decisions(self._decisions) if self._decisions.exists() else {}
        rows = tables.read_rows(table, NEEDED, ADVICE)
        cases = [_case(row, table.parent, decided) for row in rows if row["brain_mask"]]
        chosen = [case for case in cases if _needs_a_look(case)]
        self.cases = sorted(chosen, key=lambda case: [*STATES].index(state_of(case.row)))
        if not self.cases:
            raise InputError(f"No mask in {table} is doubtful or was rejected; nothing is left.")

    @property
    def done(self) -> int:
        """How many need no further look."""
        return sum(case.is_done for case in self.cases)

    def start(self) -> int:
        """Return where to begin: at the first scan that nobody decided on or corrected."""
        still = [at for at, case in enumerate(self.cases) if not case.is_done]
        return next((at for at in still if not self.cases[at].decision), still[0] if still else 0)

    def following(self, at: int) -> int | None:
        """Return the next scan that still needs a look; None where none comes."""
        rest = range(at + 1, len(self.cases))
        return next((later for later in rest if not self.cases[later].is_done), None)

    def load(self, case: Case) -> tuple[Image, np.ndarray]:
        """Read scan and mask, which is bool, shape (I, J, K), on the scan's grid.

        Raise InputError where one of them is gone or cannot be read, or their grids differ.
        """
        image = read_image(text_of(case.row["path"]))
        mask = read_on_grid(case.mask, image, "mask") > 0
        case.mask_sha256 = sha256_of(case.mask)
        return image, mask

    def save(self, case: Case, image: Image, mask: np.ndarray, rater: str) -> None:
        """Write a corrected mask where the batch keeps it, which calls it corrected from then on.

        A decision was on the mask before, and is taken back; its comment stays. `image` is what
        `load` gave, `mask` bool, shape (I, J, K). Raise InputError for an empty mask, OutputError
        where the file was changed since it was loaded, or cannot be written; it is as it was then.
        """
        if not mask.any():
            raise InputError("The mask is empty; undo that, or leave the scan without saving.")
        if case.mask.exists() and sha256_of(case.mask) != case.mask_sha256:
            raise OutputError(
                f"{case.mask} was changed by somebody else since it was opened here; leave the "
                "scan without saving, and come back to it."
            )
        with atomic_outputs() as staged:
            write_mask(staged(case.mask), image, mask)
        case.mask_sha256 = sha256_of(case.mask)
        if case.decision:
            self.decide(case, "", rater)

    def decide(self, case: Case, decision: str, rater: str) -> None:
        """Put a decision into the decisions of the batch; raise InputError where that fails."""
        tables.write_decision(self._decisions, case.row, decision, rater)
        case.decision = decision


def _case(row: dict[str, str], out: Path, decided: dict[str, str]) -> Case:
    mask = PurePosixPath(text_of(row["brain_mask"]))
    if mask.is_absolute() or ".." in mask.parts:
        raise InputError(f"The mask '{mask}' would be outside '{out}'; {ADVICE}.")
    decision = decided.get(name_in(row), "")
    return Case(row, out / mask, "", decision)


def _needs_a_look(case: Case) -> bool:
    """Whether a case belongs to the review; its mask is only read where it does."""
    if state_of(case.row) not in ("check", "fail", CORRECTED) and case.decision != REJECT:
        return False
    with suppress(OSError):  # of which loading it has more to say
        case.mask_sha256 = sha256_of(case.mask)
    return True


def _reasons(row: dict[str, str]) -> list[Check]:
    """Return the verdict's reasons, each with its place where it has one."""
    reasons = BETWEEN_REASONS.split(row.get("reasons") or "")
    places = text_of(row.get("places") or "").split(";")
    return [
        Check(f"reason_{at}", "warn", reason, _position(place))
        for at, (reason, place) in enumerate(zip_longest(reasons, places, fillvalue=""))
        if reason
    ]


def _position(text: str) -> tuple[float, float, float] | None:
    try:
        x, y, z = map(float, text.split())
    except ValueError:  # none, or a spreadsheet wrote it
        return None
    return x, y, z
