"""Dice and volume error, estimated without a reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .calibration import Calibration, Ground

LEAST_ERROR = 0.005  # 1 - Dice: two careful references of one scan agree no better
CONTRADICTED = 1.2  # times what the network doubts: the coronal slices know something else


class Estimate(NamedTuple):
    """What the mask's agreement with a reference is likely to be."""

    dice: float  # in [0, 1]
    dice_error: float  # half width of a 90 % interval
    volume_error_ml: float  # half width of a 90 % interval of the volume


def doubt_terms(measured: Mapping[str, float]) -> dict[str, float]:
    """Return what the doubts are a weighted sum of; each grows as a mask gets worse."""
    return {
        "constant": 1.0,
        "own": float(np.log(max(1.0 - measured["own_dice"], LEAST_ERROR))),
        "entropy": measured["surface_entropy"],
        "asymmetry": measured["asymmetry"],
    }


def doubted_error(measured: Mapping[str, float], doubt: Mapping[str, float]) -> float:
    """1 - Dice of a mask whose faults the network suspects, or its own lopsidedness tells."""
    return float(np.exp(sum(doubt[name] * term for name, term in doubt_terms(measured).items())))


def contradicted_error(measured: Mapping[str, float], second: Mapping[str, float]) -> float:
    """1 - Dice of a mask whose faults the coronal slices see.

    Two looks that are unsure differ, whichever is right, so a share of the coronal slices' own
    doubts is taken off, and more of what exceeds the doubts it has on good scans.
    """
    doubt = 1 - measured["second_own_dice"]
    unusual = max(0.0, doubt - second["usual_doubt"])
    return 1 - measured["second_dice"] - second["allowance"] * doubt - second["distrust"] * unusual


def likely_error(
    measured: Mapping[str, float],
    doubt: Mapping[str, float],
    second: Mapping[str, float],
    sure_entropy: float,
) -> tuple[float, Ground]:
    """1 - Dice, by what the network or the coronal slices doubt more, and what that rests on."""
    doubted = doubted_error(measured, doubt)
    contradicted = contradicted_error(measured, second)
    error = min(max(doubted, contradicted, LEAST_ERROR), 1.0)
    if contradicted > CONTRADICTED * doubted:
        return error, "contradicted"
    return error, "sure" if measured["surface_entropy"] <= sure_entropy else "unsure"


def estimate(measured: Mapping[str, float], calibration: Calibration) -> Estimate:
    """Estimate a mask's Dice and volume error from what `measures.measure` gave."""
    error, ground = likely_error(
        measured, calibration.doubt, calibration.second, calibration.sure_entropy
    )
    return Estimate(
        dice=1.0 - error,
        dice_error=min(calibration.relative_error[ground] * error, 1.0),
        volume_error_ml=calibration.relative_volume_error[ground] * error * measured["volume_ml"],
    )
