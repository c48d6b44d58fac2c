"""The verdict: pass, check or fail, with its reasons in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..checks.input_checks import Check
from .calibration import Calibration
from .estimate import Estimate, estimate
from .evidence import Evidence
from .measures import measure
from .places import located

Verdict = Literal["pass", "check", "fail"]

# Intracranial contents of newborns to the largest adults; a child's is the usual false alarm.
SMALLEST_BRAIN_ML = 700.0
LARGEST_BRAIN_ML = 2100.0
# Of the largest cross-section along an axis; the brain stem alone may leave the image.
CUT_SHARE = 0.2
# What exceeds a limit of the calibration, in words; {value} and {limit} are the measure's.
_UNUSUAL = {
    "asymmetry": (
        "asymmetric",
        "The left and the right half of the mask differ by {value:.0%} ({limit:.0%} at most is "
        "usual); look for a missing part.",
    ),
    "roughness": (
        "rough",
        "The mask's surface is {value:.1f} times its volume^(2/3) ({limit:.1f} at most is usual): "
        "it is rough or has pieces sticking out.",
    ),
    "removed_ml": (
        "pieces_removed",
        "Pieces of {value:.0f} mL away from the brain were removed or holes filled ({limit:.0f} mL "
        "at most is usual); look at what is missing.",
    ),
    "surface_entropy": (
        "uncertain",
        "The network was unsure of the brain's surface ({value:.2f} bits a voxel; {limit:.2f} at "
        "most is usual).",
    ),
}


@dataclass(frozen=True)
class Judgement:
    """What is thought of a mask.

    Parameters
    ----------
    verdict : {"pass", "check", "fail"}
        check: look before using it. fail: do not use it as it is.
    reasons : tuple of Check
        Why; empty for "pass".
    estimate : Estimate
    """

    verdict: Verdict
    reasons: tuple[Check, ...]
    estimate: Estimate


def judge(
    evidence: Evidence, calibration: Calibration, mask: np.ndarray | None = None
) -> Judgement:
    """Judge the mask that the network found, before its border or CSF are changed.

    Parameters
    ----------
    evidence : Evidence
    calibration : Calibration
    mask : ndarray of bool, shape of `evidence.probability`, optional
        Another mask than that of the probability.
    """
    if not (evidence.probability >= 0.5).any():
        message = "Hardly any brain was found; is this a T1-weighted head?"
        return Judgement("fail", (Check("no_brain", "warn", message),), Estimate(0.0, 1.0, 0.0))
    found = judge_measures(measure(evidence, mask), calibration)
    return replace(found, reasons=located(found.reasons, evidence, mask))


def judge_measures(measured: Mapping[str, float], calibration: Calibration) -> Judgement:
    """Judge a mask by its measures."""
    found = estimate(measured, calibration)
    reasons = (
        *dice_reason(found, calibration),
        *volume_reason(measured["volume_ml"]),
        *edge_reason(measured["edge_share"]),
        *contradiction_reason(measured, calibration),
        *unusual_reasons(measured, calibration.limits),
    )
    failed = found.dice < calibration.fail_below
    return Judgement("fail" if failed else "check" if reasons else "pass", reasons, found)


def dice_reason(found: Estimate, calibration: Calibration) -> Iterator[Check]:
    """The estimate is low."""
    if found.dice < calibration.check_below:
        message = (
            f"The mask's Dice is estimated at {found.dice:.2f} ({calibration.check_below:.2f} and "
            "more is usual); look at its outline."
        )
        yield Check("dice_low", "warn", message)


def volume_reason(volume_ml: float) -> Iterator[Check]:
    """No human brain has this volume."""
    if not SMALLEST_BRAIN_ML <= volume_ml <= LARGEST_BRAIN_ML:
        size = "small" if volume_ml < SMALLEST_BRAIN_ML else "large"
        message = (
            f"The brain found is unusually {size} ({volume_ml:.0f} mL; {SMALLEST_BRAIN_ML:.0f} to "
            f"{LARGEST_BRAIN_ML:.0f} mL expected); look at its outline."
        )
        yield Check(f"brain_{size}", "warn", message)


def edge_reason(edge_share: float) -> Iterator[Check]:
    """Part of the brain lies outside the image."""
    if edge_share > CUT_SHARE:
        message = "The brain reaches the edge of the image, so part of it is missing."
        yield Check("brain_cut", "warn", message)


def contradiction_reason(
    measured: Mapping[str, float], calibration: Calibration
) -> Iterator[Check]:
    """Two looks that are both sure contradict each other; on a poor scan that says little."""
    area, limit = measured["disagreement_cm2"], calibration.sure_disagreement_cm2
    if measured["surface_entropy"] <= calibration.sure_entropy and area > limit:
        message = (
            "A second look at the scan, along another axis, disagrees with the mask over "
            f"{area:.1f} cm2 in one place ({limit:.1f} at most is usual); look for a leak or a "
            "missing part."
        )
        yield Check("second_look", "warn", message)


def unusual_reasons(measured: Mapping[str, float], limits: Mapping[str, float]) -> Iterator[Check]:
    """A measure exceeds what right masks have."""
    for name, limit in limits.items():
        if measured[name] > limit:
            code, words = _UNUSUAL[name]
            yield Check(code, "warn", words.format(value=measured[name], limit=limit))
