"""From judged masks to the numbers of the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import nnls

from SkullStripLib.quality.calibration import Calibration
from SkullStripLib.quality.confidence import (
    confidence_terms,
    disagreement_map,
)
from SkullStripLib.quality.estimate import LEAST_ERROR, estimate, terms
from SkullStripLib.quality.verdict import judge_measures

from .quality_cases import Case
from .quality_rows import OWN, Row, table

BAD_DICE = 0.95  # masks below are to be flagged
GOOD_DICE = 0.97  # masks above say what is usual
FAIL_DICE = 0.90
DETECT = 0.97  # of the bad masks of the calibration; 0.95 of new ones are asked for
COVER = 0.90
USUAL = 0.995  # of the good masks are within a limit, which is then widened
WIDEN = 1.15
LIMITED = ("disagreement_cm2", "asymmetry", "roughness", "removed_ml", "surface_entropy")
VOXELS_PER_CASE = 6000


def fit_calibration(
    rows: Sequence[Row], cases: Sequence[Case], provenance: Mapping[str, Any]
) -> Calibration:
    """Find all numbers of the verdict from masks whose Dice is known.

    Parameters
    ----------
    rows : sequence of Row
        Of training scans.
    cases : sequence of Case
        The network's own masks of those scans, for the confidence.
    """
    intercept, weights = fit_estimate(rows)
    draft = Calibration(intercept, weights, 0, 0, 0, FAIL_DICE, {}, {})
    own = [row for row in rows if row.kind == OWN]
    errors = np.array([1 - estimate(row.measured, draft).dice for row in own])
    missed = np.array([abs(1 - row.dice - error) for row, error in zip(own, errors, strict=True)])
    lost_ml = np.array([abs(row.volume_ml - row.truth_ml) / row.volume_ml for row in own])
    limits = fit_limits([row for row in own if row.dice >= GOOD_DICE])
    return Calibration(
        intercept=intercept,
        weights=weights,
        relative_error=float(np.quantile(missed / errors, COVER)),
        relative_volume_error=float(np.quantile(lost_ml / errors, COVER)),
        check_below=fit_check(rows, draft, limits),
        fail_below=FAIL_DICE,
        limits=limits,
        confidence=fit_confidence(cases),
        provenance=dict(provenance),
    )


def fit_estimate(rows: Sequence[Row]) -> tuple[float, dict[str, float]]:
    """Least squares for log(1 - Dice) with weights that are not negative.

    The network's own masks count as much as all damaged ones together.
    """
    found = [terms(row.measured) for row in rows]
    names = tuple(found[0])
    own = np.array([row.kind == OWN for row in rows])
    share = np.where(own, 0.5 / own.sum(), 0.5 / max(1, (~own).sum()))
    matrix = np.array([[term[name] for name in names] for term in found])
    target = np.log(np.maximum([1 - row.dice for row in rows], LEAST_ERROR))
    centre, middle = share @ matrix, float(share @ target)
    root = np.sqrt(share)[:, None]
    weights, _ = nnls(root * (matrix - centre), root[:, 0] * (target - middle))
    kept = {name: round(float(w), 5) for name, w in zip(names, weights, strict=True) if w > 0}
    return round(middle - float(weights @ centre), 5), kept


def fit_limits(good: Sequence[Row]) -> dict[str, float]:
    """Values that 99.5 % of good masks stay under, widened by 15 %."""
    values = np.quantile(table(good, LIMITED), USUAL, axis=0) * WIDEN
    return {name: float(f"{value:.3g}") for name, value in zip(LIMITED, values, strict=True)}


def fit_check(rows: Sequence[Row], draft: Calibration, limits: Mapping[str, float]) -> float:
    """The estimated Dice below which masks are flagged, so that 97 % of the bad ones are.

    Limits flag some of them already; the threshold is never below the Dice that is called bad.
    """
    limited = replace(draft, limits=dict(limits))
    judged = [judge_measures(row.measured, limited) for row in rows]
    missed = [
        found.estimate.dice
        for row, found in zip(rows, judged, strict=True)
        if row.dice < BAD_DICE and not found.reasons
    ]
    bad = sum(row.dice < BAD_DICE for row in rows)
    spare = int((1 - DETECT) * bad)
    ordered = sorted(missed, reverse=True)
    needed = ordered[spare] + 1e-4 if len(ordered) > spare else BAD_DICE
    return round(max(needed, BAD_DICE), 4)


def fit_confidence(cases: Sequence[Case]) -> dict[str, float]:
    """Logistic regression of "the label is right" on a sample of voxels of every case."""
    features, right = zip(*(confidence_sample(case) for case in cases), strict=True)
    x, y = np.concatenate(features), np.concatenate(right).astype(np.float64)
    weights = np.zeros(x.shape[1])
    for _ in range(25):  # Newton's method
        odds = np.clip(x @ weights, -30, 30)
        likely = 1 / (1 + np.exp(-odds))
        spread = likely * (1 - likely)
        hessian = x.T @ (spread[:, None] * x) + 1e-6 * np.eye(len(weights))
        weights += np.linalg.solve(hessian, x.T @ (y - likely))
    names = confidence_terms(np.zeros(1), np.zeros(1))
    return {name: round(float(weight), 5) for name, weight in zip(names, weights, strict=True)}


def confidence_sample(case: Case, count: int = VOXELS_PER_CASE) -> tuple[np.ndarray, np.ndarray]:
    """Terms of the confidence, shape (n, 4), and whether the label is right, for some voxels."""
    brain, disagreement, truth = voxel_sample(case, count)
    columns = confidence_terms(brain, disagreement).values()
    terms_of = [np.broadcast_to(column, brain.shape) for column in columns]
    return np.stack(terms_of, axis=1).astype(np.float64), (brain >= 0.5) == truth


def voxel_sample(case: Case, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probability, disagreement and truth of some voxels of a case."""
    places = case.voxels[:count]
    factor = max(1, round(case.evidence.block_mm / 1.0))
    at = tuple((places // factor).T)
    found = disagreement_map(case.evidence)[at]
    return case.voxel_probability[:count], found, case.voxel_truth[:count]
