"""Dice and volume error, estimated without a reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .calibration import Calibration

LEAST_ERROR = 0.005  # 1 - Dice: two careful references of one scan agree no better


class Estimate(NamedTuple):
    """What the mask's agreement with a reference is likely to be.

    Parameters
    ----------
    dice, dice_error : float
        In [0, 1]; half width of a 90 % interval.
    volume_error_ml : float
        Half width of a 90 % interval of the volume.
    """

    dice: float
    dice_error: float
    volume_error_ml: float


def terms(measured: Mapping[str, float]) -> dict[str, float]:
    """What the estimate is a weighted sum of; every term grows as a mask gets worse."""
    return {
        "second": _log_error(measured["second_dice"]),
        "own": _log_error(measured["own_dice"]),
        "disagreement": float(np.log1p(measured["disagreement_cm2"])),
        "entropy": measured["surface_entropy"],
        "asymmetry": measured["asymmetry"],
        "roughness": measured["roughness"],
    }


def estimate(measured: Mapping[str, float], calibration: Calibration) -> Estimate:
    """Estimate a mask's Dice from its measures.

    A log-linear model with weights of one sign: a mask that looks worse in any measure and better
    in none is never estimated better.

    Parameters
    ----------
    measured : mapping
        From `measures.measure`.
    """
    found = terms(measured)
    weighted = (weight * found[name] for name, weight in calibration.weights.items())
    error = float(np.exp(calibration.intercept + sum(weighted)))
    error = min(max(error, LEAST_ERROR), 1.0)
    return Estimate(
        dice=1.0 - error,
        dice_error=min(calibration.relative_error * error, 1.0),
        volume_error_ml=calibration.relative_volume_error * error * measured["volume_ml"],
    )


def _log_error(dice: float) -> float:
    return float(np.log(max(1.0 - dice, LEAST_ERROR)))
