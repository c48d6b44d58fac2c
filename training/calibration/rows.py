"""What the verdict is calibrated on: masks as rows of measures, and samples of their voxels."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from skullstrip.quality.confidence import disagreement_map
from skullstrip.quality.measures import measure, measure_doubts, measure_mask, solid_mask
from training.evaluation.metrics import dice

from ..evaluation.stress import UNTOUCHED
from .cases import Case
from .wrong_masks import DAMAGES, damaged_probability

OWN, MASK, BOTH = "own", "mask", "both"
DRAWS = 1  # of each damage on each scan
VOXELS_PER_CASE = 6000  # for the confidence


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


class Voxels(NamedTuple):
    """A sample of a mask's voxels; arrays of shape (n,)."""

    probability: np.ndarray
    disagreement: np.ndarray  # of the second look
    truth: np.ndarray  # bool


class Measured(NamedTuple):
    """All that is needed of one mask of the network, and of its damaged ones."""

    scan: str
    dice: float
    rows: list[Row]
    voxels: Voxels
    damaged_voxels: Voxels | None  # of a scan as it came


def measure_case(case: Case) -> Measured:
    """Measure the network's own mask and, of a scan as it came, every damage of it."""
    rows = rows_of(case)
    damaged = damaged_sample(case) if rows and case.perturbation == UNTOUCHED else None
    return Measured(case.scan, case.dice, rows, voxel_sample(case), damaged)


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
    """Return every damage of a mask, with and without its probability."""
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
            overlap = dice(wrong, truth)
            volumes = (float(wrong.sum()) * block_ml, float(truth.sum()) * block_ml)
            measured = measure_mask(case.evidence, wrong)
            doubts = {
                MASK: measure_doubts(case.evidence, wrong, mask),
                BOTH: measure_doubts(likewise, wrong, solid_mask(likewise.probability)),
            }
            rows += [
                Row(case.scan, kind, name, float(draw), overlap, *volumes,
                    measured | doubted)
                for kind, doubted in doubts.items()
            ]  # fmt: skip
    return rows


def voxel_sample(case: Case) -> Voxels:
    """Return the voxels that were kept of a case."""
    factor = max(1, round(case.evidence.block_mm / 1.0))
    at = tuple((case.voxels // factor).T)
    disagreement = disagreement_map(case.evidence)[at]
    return Voxels(case.voxel_probability, disagreement, case.voxel_truth)


def damaged_sample(case: Case) -> Voxels:
    """Return some blocks of a case with a damage of its own."""
    evidence = case.evidence
    rng = np.random.default_rng(zlib.crc32(case.scan.encode()))
    mask = solid_mask(evidence.probability)
    damage = list(DAMAGES.values())[rng.integers(len(DAMAGES))]
    wrong = damage(mask, evidence.block_mm, rng)
    probability = damaged_probability(evidence.probability, mask, wrong)
    low, high = (case.voxels // 2).min(axis=0), (case.voxels // 2).max(axis=0)
    at = tuple(rng.integers(low, high + 1, (VOXELS_PER_CASE, 3)).T)
    disagreement = disagreement_map(replace(evidence, probability=probability))
    return Voxels(probability[at], disagreement[at], case.truth[at] >= 0.5)


def table(rows: Iterable[Row], names: Sequence[str]) -> np.ndarray:
    """Measures of the rows as an array, shape (rows, names)."""
    return np.array([[row.measured[name] for name in names] for row in rows])
