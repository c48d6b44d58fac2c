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


def doubt_terms(measured: Mapping[str, float]) -> dict[str, float]:
    """What the network's own doubts are a weighted sum of; both grow as a mask gets worse."""
    return {
        "constant": 1.0,
        "own": _log_error(measured["own_dice"]),
        "entropy": measured["surface_entropy"],
    }


def doubted_error(measured: Mapping[str, float], doubt: Mapping[str, float]) -> float:
    """1 - Dice of a mask whose faults the network suspects."""
    return float(np.exp(sum(doubt[name] * term for name, term in doubt_terms(measured).items())))


def contradicted_error(measured: Mapping[str, float], allowance: float) -> float:
    """1 - Dice of a mask whose faults the second look sees.

    Two looks that are unsure differ, whichever is right, so a share of the second look's own doubts
    is taken off.
    """
    return 1 - measured["second_dice"] - allowance * (1 - measured["second_own_dice"])


def estimate(measured: Mapping[str, float], calibration: Calibration) -> Estimate:
    """Estimate a mask's Dice from its measures: by what the network or the second look doubts more.

    Parameters
    ----------
    measured : mapping
        From `measures.measure`.
    """
    doubted = doubted_error(measured, calibration.doubt)
    contradicted = contradicted_error(measured, calibration.allowance)
    error = min(max(doubted, contradicted, LEAST_ERROR), 1.0)
    return Estimate(
        dice=1.0 - error,
        dice_error=min(calibration.relative_error * error, 1.0),
        volume_error_ml=calibration.relative_volume_error * error * measured["volume_ml"],
    )


def _log_error(dice: float) -> float:
    return float(np.log(max(1.0 - dice, LEAST_ERROR)))
