"""The verdict: estimated Dice and volume error, and pass, check or fail with reasons in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from ..checks.input_checks import Check
from .calibration import Calibration, Ground
from .evidence import Evidence
from .measures import measure, position_of

Verdict = Literal["pass", "check", "fail", "not judged"]
# Which mask a verdict is of: the one that is written, or the network's before it was changed.
Judged = Literal["as written", "before border", "before CSF", "before CSF and border", "no"]

LEAST_ERROR = 0.005  # 1 - Dice: two careful references of one scan agree no better
CONTRADICTED = 1.2  # times what the network doubts: the coronal slices know something else
# Intracranial contents of newborns to the largest adults; a child's is the usual false alarm.
SMALLEST_BRAIN_ML = 700.0
LARGEST_BRAIN_ML = 2100.0
# Of the largest cross-section along an axis; the brain stem alone may leave the image.
CUT_SHARE = 0.2
# Of 71 ordinary scans, a hundred spoilt and twenty attacked ones (docs/quality.md).
SECOND_BRAIN_ML = 100.0
MOST_BARE_CM2 = 30.0
# Share of the upper head that is brain: 0.52 to 0.67 in adults, 0.83 to 0.86 in newborns.
LEAST_SHARE, LEAST_SHARE_OF_SMALL = 0.45, 0.70
SMALL_BRAIN_ML = 1000.0  # no adult's; that of a child under two
# Why a mask is not to be used unseen, with names of measures and what `judge_measures` adds.
_REASONS = {
    "dice_low": "The mask's Dice is estimated at {dice:.3f} ({calibration.check_below:.3f} and "
    "more is usual); look at its outline.",
    "brain_small": "The brain found is unusually small ({volume_ml:.0f} mL; {expected}); look at "
    "its outline.",
    "brain_large": "The brain found is unusually large ({volume_ml:.0f} mL; {expected}); look at "
    "its outline.",
    "brain_cut": "The brain reaches the edge of the image, so part of it is missing.",
    "second_brain": "The image holds something else that looks like brain ({other_ml:.0f} mL), a "
    "second head perhaps, which was left out; crop the image to one head.",
    "brain_bare": "Nothing of the head lies over {bare_cm2:.0f} cm2 of the brain, as if part of "
    "the scan had been blanked or its skull stripped; part of the brain may be missing.",
    "small_for_head": "The brain found ({volume_ml:.0f} mL) fills {head_share:.0%} of the upper "
    "head, where {least_share:.0%} and more is usual for its size; look for a missing part, and "
    "check the header's voxel size.",
    "second_look": "A second look at the scan, along another axis, disagrees with the mask over "
    "{disagreement_cm2:.1f} cm2 in one place ({calibration.sure_disagreement_cm2:.1f} at most is "
    "usual); look for a leak or a missing part.",
    "asymmetric": "The left and the right half of the mask differ by {asymmetry:.0%} "
    "({limits[asymmetry]:.0%} at most is usual); look for a missing part.",
    "rough": "The mask's surface is {roughness:.1f} times its volume^(2/3) "
    "({limits[roughness]:.1f} at most is usual): it is rough or has pieces sticking out.",
    "pieces_removed": "Pieces of {removed_ml:.0f} mL away from the brain were removed or holes "
    "filled ({limits[removed_ml]:.0f} mL at most is usual); look at what is missing.",
    "uncertain": "The network was unsure of the brain's surface ({surface_entropy:.2f} bits a "
    "voxel; {limits[surface_entropy]:.2f} at most is usual).",
}


class Estimate(NamedTuple):
    """What the mask's agreement with a reference is likely to be."""

    dice: float  # in [0, 1]
    dice_error: float  # half width of a 90 % interval
    volume_error_ml: float  # half width of a 90 % interval of the volume


@dataclass(frozen=True)
class Judgement:
    """What is thought of a mask."""

    # {"pass", "check", "fail"}; check: look before using it. fail: do not use it as it is.
    verdict: Verdict
    reasons: tuple[Check, ...]  # why; empty for "pass"
    estimate: Estimate


def judged_mask(border_mm: float, keep_csf: bool) -> Judged:
    """Return which mask the network's verdict is of, after these options."""
    if keep_csf:
        return "before border" if border_mm else "as written"
    return "before CSF and border" if border_mm else "before CSF"


def judge(evidence: Evidence, calibration: Calibration) -> Judgement:
    """Judge the mask that the network found, before its border or CSF are changed."""
    mask = evidence.mask
    if not mask.any():
        message = "Hardly any brain was found; is this an MRI of a head?"
        return Judgement("fail", (Check("no_brain", "warn", message),), Estimate(0.0, 1.0, 0.0))
    found = judge_measures(measure(evidence, mask), calibration)
    reasons = [
        replace(reason, position_ras=position_of(reason.code, evidence, mask))
        for reason in found.reasons
    ]
    return replace(found, reasons=tuple(reasons))


def judge_measures(measured: Mapping[str, float], calibration: Calibration) -> Judgement:
    """Judge a mask by its measures."""
    found = estimate(measured, calibration)
    limits, volume_ml = calibration.limits, measured["volume_ml"]
    least_share = LEAST_SHARE_OF_SMALL if volume_ml < SMALL_BRAIN_ML else LEAST_SHARE
    # Two looks that are both sure contradict each other; on a poor scan that says little.
    is_sure = measured["surface_entropy"] <= calibration.sure_entropy
    is_so = {
        "dice_low": found.dice < calibration.check_below,
        "brain_small": volume_ml < SMALLEST_BRAIN_ML,
        "brain_large": volume_ml > LARGEST_BRAIN_ML,
        "brain_cut": measured["edge_share"] > CUT_SHARE,
        "second_brain": measured["other_ml"] > SECOND_BRAIN_ML,
        "brain_bare": measured["bare_cm2"] > MOST_BARE_CM2,
        "small_for_head": measured["head_share"] < least_share,
        "second_look": is_sure and measured["disagreement_cm2"] > calibration.sure_disagreement_cm2,
        "asymmetric": measured["asymmetry"] > limits["asymmetry"],
        "rough": measured["roughness"] > limits["roughness"],
        "pieces_removed": measured["removed_ml"] > limits["removed_ml"],
        "uncertain": measured["surface_entropy"] > limits["surface_entropy"],
    }
    said = {
        **measured,
        "calibration": calibration,
        "dice": found.dice,
        "expected": f"{SMALLEST_BRAIN_ML:.0f} to {LARGEST_BRAIN_ML:.0f} mL expected",
        "least_share": least_share,
        "limits": limits,
    }
    reasons = tuple(
        Check(code, "warn", _REASONS[code].format_map(said))
        for code, holds in is_so.items()
        if holds
    )
    failed = found.dice < calibration.fail_below
    return Judgement("fail" if failed else "check" if reasons else "pass", reasons, found)


def capped(
    verdict: Verdict, reasons: tuple[Check, ...], checks: Iterable[Check]
) -> tuple[Verdict, tuple[Check, ...]]:
    """Add warnings about the scan to the reasons; they leave no mask better than "check"."""
    warnings = tuple(check for check in checks if check.severity == "warn")
    return "check" if warnings and verdict == "pass" else verdict, (*reasons, *warnings)


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
