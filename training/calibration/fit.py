"""From judged masks to the numbers of the verdict."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
from scipy.optimize import nnls
from scipy.special import expit

from skullstrip.errors import InputError
from skullstrip.quality.calibration import LIMITED, Calibration, Ground
from skullstrip.quality.evidence import confidence_terms
from skullstrip.quality.verdict import (
    LEAST_ERROR,
    contradicted_error,
    doubt_terms,
    doubted_error,
    likely_error,
)

from ..evaluation.stress import UNTOUCHED
from .cases import BAD_DICE, BOTH, MASK, OWN, Case, Row, Voxels, table

FAIL_DICE = 0.90
LOST_DICE = 0.80  # how sure the network is of a brain that it lost says nothing of good masks
# Shares of the network's own good masks that may be flagged, 5 % in all with those over a limit:
FALSE_ALARMS = 0.015  # for their estimated Dice
CONTRADICTIONS = 0.02  # for a second look that contradicts a sure network
HIGHEST_CHECK = 0.96
COVER = 0.95  # of the masks it is fitted to, so that 90 % of others are covered
ALLOWANCES = np.round(np.arange(0, 1.01, 0.05), 2).tolist()
DISTRUSTS = np.arange(0, 3.1, 0.5).tolist()  # more would deafen it to a lost lobe of a poor scan
USUAL = 0.99
SPECK_ML = 14.0  # pieces that nobody need look for: 1 % of a brain
VOXELS_PER_CASE = 6000
WIDEN = 1.15  # limits are so much wider than the worst good mask needs


def fit_calibration(
    rows: Sequence[Row], confidence: Mapping[str, float], provenance: Mapping[str, Any]
) -> Calibration:
    """Find all numbers of the verdict from masks whose Dice is known.

    `confidence` comes from `fit_confidence`. Raise InputError where no mask of a scan as it came is
    good enough to learn from.
    """
    own = [row for row in rows if row.kind == OWN]
    good = [row for row in own if not row.is_bad]
    clean = [row for row in good if row.what == UNTOUCHED]
    if not clean:
        raise InputError(
            f"No scan as it came gets a mask of Dice {BAD_DICE} or more, so there is nothing to "
            "calibrate by; train longer, or look whether the reference masks are of one kind."
        )
    sure_entropy = round(float(table(clean, ["surface_entropy"]).max()) * 1.02, 4)
    sure = [row for row in good if row.measured["surface_entropy"] <= sure_entropy]
    # Area that the second look contradicts in hardly any good mask of a sure network.
    sure_area = np.quantile(table(sure, ["disagreement_cm2"]), 1 - CONTRADICTIONS)
    doubt = fit_doubt([row for row in own if row.dice >= LOST_DICE])
    usual_doubt = round(1 - float(table(clean, ["second_own_dice"]).min()), 4)
    second = fit_second_look(rows, doubt, usual_doubt)
    found = [Found(row, *likely_error(row.measured, doubt, second, sure_entropy)) for row in rows]
    relative_error, relative_volume_error = fit_intervals(found)
    # As high as FALSE_ALARMS allow, because a bad mask that passes does more harm; never below the
    # Dice that is called bad.
    estimated = [1 - one.error for one in found if one.row.kind == OWN and not one.row.is_bad]
    check = np.clip(np.quantile(estimated, FALSE_ALARMS), BAD_DICE, HIGHEST_CHECK)
    return Calibration(
        doubt=doubt,
        second=second,
        relative_error=relative_error,
        relative_volume_error=relative_volume_error,
        check_below=round(float(check), 4),
        fail_below=FAIL_DICE,
        limits=fit_limits(good),
        sure_entropy=sure_entropy,
        sure_disagreement_cm2=round(float(sure_area), 2),
        confidence=dict(confidence),
        provenance=dict(provenance),
    )


class Found(NamedTuple):
    """A mask, its estimated 1 - Dice, and what that rests on."""

    row: Row
    error: float
    ground: Ground


def fit_doubt(own: Sequence[Row]) -> dict[str, float]:
    """Least squares for log(1 - Dice) of the network's own masks, with no negative weight."""
    found = [doubt_terms(row.measured) for row in own]
    names = [name for name in found[0] if name != "constant"]
    matrix = np.array([[term[name] for name in names] for term in found])
    target = np.log(np.maximum([1 - row.dice for row in own], LEAST_ERROR))
    weights, _ = nnls(matrix - matrix.mean(axis=0), target - target.mean())
    constant = target.mean() - weights @ matrix.mean(axis=0)
    values = {"constant": constant, **dict(zip(names, weights, strict=True))}
    return {name: round(float(value), 5) for name, value in values.items()}


def fit_second_look(
    rows: Sequence[Row], doubt: Mapping[str, float], usual_doubt: float
) -> dict[str, float]:
    """Return the allowance and the distrust that make the smallest mean error of log(1 - Dice).

    The network's own masks count as much as all damaged ones together.
    """
    own = np.array([row.kind == OWN for row in rows])
    share = np.where(own, 1 / own.sum(), 1 / max(1, (~own).sum()))
    target = np.log(np.maximum([1 - row.dice for row in rows], LEAST_ERROR))
    doubted = np.array([doubted_error(row.measured, doubt) for row in rows])

    def loss(second: Mapping[str, float]) -> float:
        contradicted = np.array([contradicted_error(row.measured, second) for row in rows])
        errors = np.maximum(np.maximum(doubted, contradicted), LEAST_ERROR)
        return float(share @ np.abs(np.log(errors) - target))

    choices = [
        {"allowance": allowance, "distrust": distrust, "usual_doubt": usual_doubt}
        for allowance, distrust in itertools.product(ALLOWANCES, DISTRUSTS)
    ]
    return min(choices, key=loss)


def fit_intervals(found: Sequence[Found]) -> tuple[dict[str, float], dict[str, float]]:
    """Half widths for Dice and volume that hold for 90 % of masks, by what estimates rest on.

    Masks that fail are left out: they are not to be used, and nothing is near their volume.
    """
    usable = [one for one in found if 1 - one.error >= FAIL_DICE]
    dice_widths, volume_widths = {}, {}
    for ground in get_args(Ground):
        # Damaged masks would outnumber the network's own, where those have errors as well.
        kinds = (OWN, MASK, BOTH) if ground == "contradicted" else (OWN,)
        chosen = [one for one in usable if one.ground == ground and one.row.kind in kinds] or usable
        missed = [abs(1 - row.dice - error) / error for row, error, _ in chosen]
        lost = [abs(1 - row.truth_ml / row.volume_ml) / error for row, error, _ in chosen]
        dice_widths[ground] = round(float(np.quantile(missed, COVER)), 4)
        volume_widths[ground] = round(float(np.quantile(lost, COVER)), 4)
    return dice_widths, volume_widths


def fit_limits(good: Sequence[Row]) -> dict[str, float]:
    """Values that 99 % of good masks of the calibration stay under, widened."""
    values = np.quantile(table(good, LIMITED), USUAL, axis=0) * WIDEN
    limits = {name: float(f"{value:.3g}") for name, value in zip(LIMITED, values, strict=True)}
    return {**limits, "removed_ml": max(limits["removed_ml"], SPECK_ML)}


def fit_confidence(cases: Iterable[Case]) -> dict[str, float]:
    """Logistic regression of "the label is right" on a sample of voxels of every mask.

    Masks damaged with their probability are among them, one of each scan as it came: from the
    network's own masks alone nothing can be learned of strong disagreement.
    """
    features, right = [], []
    for brain, disagreement, truth in (
        Voxels(*(values[:VOXELS_PER_CASE] for values in sample))
        for case in cases
        for sample in case.samples
    ):
        terms = confidence_terms(brain, disagreement)
        columns = [np.broadcast_to(term, brain.shape) for term in terms.values()]
        features.append(np.stack(columns, axis=1).astype(np.float64))
        right.append((brain >= 0.5) == truth)
    x, y = np.concatenate(features), np.concatenate(right).astype(np.float64)
    weights = np.zeros(x.shape[1])
    for _ in range(25):  # Newton's method
        likely = expit(x @ weights)
        spread = likely * (1 - likely)
        hessian = x.T @ (spread[:, None] * x) + 1e-6 * np.eye(len(weights))
        weights += np.linalg.solve(hessian, x.T @ (y - likely))
    return {name: round(float(weight), 5) for name, weight in zip(terms, weights, strict=True)}
