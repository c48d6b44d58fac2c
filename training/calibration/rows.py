"""Masks as rows: what each is measured by, and how good it really is."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from skullstrip.quality.measures import measure, solid_mask
from training.evaluation.metrics import dice

from ..evaluation.stress import UNTOUCHED
from .cases import Case
from .wrong_masks import DAMAGES, damaged_probability

OWN, MASK, BOTH = "own", "mask", "both"
DRAWS = 1  # of each damage on each scan


@dataclass(frozen=True)
class Row:
    """One mask.

    Parameters
    ----------
    kind : str
        "own": the network's mask. "mask": damaged, with the probability as it was. "both": mask
        and probability damaged alike.
    what : str
        Name of the perturbation or damage; "none" for a scan as it came.
    dice : float
        With the reference: on the scan's own grid for "own", in blocks of 2 mm for damaged masks.
    measured : dict of str to float
    """

    scan: str
    kind: str
    what: str
    strength: float
    dice: float
    volume_ml: float
    truth_ml: float
    measured: dict[str, float]


def rows_of(case: Case) -> list[Row]:
    """Return the network's own mask of a case and, of a scan as it came, every damage of it."""
    probability = case.evidence.probability
    if not (probability >= 0.5).any():
        return []  # refused before any verdict
    mask = solid_mask(probability)
    own = Row(
        case.scan, OWN, case.perturbation, case.strength, case.dice, case.volume_ml,
        case.truth_ml, measure(case.evidence, mask),
    )  # fmt: skip
    if case.perturbation != UNTOUCHED:
        return [own]
    return [own, *damaged_rows(case, mask)]


def damaged_rows(case: Case, mask: np.ndarray) -> list[Row]:
    """Return every damage of a mask, each drawn twice, with and without its probability."""
    rows = []
    block_mm, block_ml = case.evidence.block_mm, case.evidence.block_ml
    truth = case.truth >= 0.5
    for name, damage in DAMAGES.items():
        for draw in range(DRAWS):
            rng = np.random.default_rng([draw, zlib.crc32(f"{case.scan}/{name}".encode())])
            wrong = damage(mask, block_mm, rng)
            if not wrong.any():
                continue
            likewise = replace(
                case.evidence,
                probability=damaged_probability(case.evidence.probability, mask, wrong),
            )
            volumes = (float(wrong.sum()) * block_ml, float(truth.sum()) * block_ml)
            rows += [
                Row(case.scan, kind, name, float(draw), dice(wrong, truth), *volumes,
                    measure(evidence, wrong))
                for kind, evidence in ((MASK, case.evidence), (BOTH, likewise))
            ]  # fmt: skip
    return rows


def table(rows: Iterable[Row], names: Sequence[str]) -> np.ndarray:
    """Measures of the rows as an array, shape (rows, names)."""
    return np.array([[row.measured[name] for name in names] for row in rows])
