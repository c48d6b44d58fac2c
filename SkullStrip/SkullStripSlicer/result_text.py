"""A result in the words of who looks at it."""

from __future__ import annotations

from typing import NamedTuple

from slicer.i18n import tr as _

from skullstrip.checks.input_checks import Check
from skullstrip.quality.verdict import judged_mask

from . import outputs

TONES = {"pass": "good", "check": "warning", "fail": "error"}


class Description(NamedTuple):
    """A result in words.

    Attributes
    ----------
    line : str
        For example "Brain 1648 mL (± 24). Looks right."
    tone : str
        Of the line; see `telling.styleFor`.
    warnings : tuple of Check
        What to look at.
    details : str
        The rest, a line each.
    isEdited : bool
        By hand.
    """

    line: str
    tone: str
    warnings: tuple[Check, ...]
    details: str
    isEdited: bool


def describe(logic, segmentation) -> Description:
    """Describe a result as it is in the scene."""
    volumeMl, checks = logic.describe(segmentation)
    report, state = logic.report(segmentation), outputs.readState(segmentation)
    isEdited, isCorrected = outputs.isEdited(segmentation), bool(state.get("clicks"))
    verdict = report.get("verdict", "check" if checks else "")
    volume = _("Brain {volume} mL").format(volume=f"{volumeMl:.0f}")
    error = report.get("volume_error_ml")
    if error is not None and not isEdited and not isCorrected and not state.get("borderMm"):
        volume += f" (± {error:.0f})"
    words = verdictWords().get(verdict, "")
    if isEdited or isCorrected:
        words = _("Edited by hand.") if isEdited else _("Corrected by clicks.")
    warnings = [check for check in checks if check.severity != "note" and not isEdited]
    if outputs.sourceOf(segmentation) is not None and outputs.hasMoved(segmentation):
        message = _("The scan was moved since; strip it again, or move the border.")
        warnings.insert(0, Check("scan_moved", "warn", message))
    tone = "" if isEdited or isCorrected else TONES.get(verdict, "")
    details = "\n".join(_details(volumeMl, checks, report, state))
    return Description(f"{volume}. {words}".strip(), tone, tuple(warnings), details, isEdited)


def verdictWords() -> dict[str, str]:
    """Return what the panel says for each verdict."""
    return {
        "pass": _("Looks right."),
        "check": _("Look at it before you use it."),
        "fail": _("Do not use it as it is."),
    }


def _details(volumeMl: float, checks, report, state) -> list[str]:
    lines = [_("Volume: {volume} mL").format(volume=f"{volumeMl:.1f}")]
    dice, error = report.get("dice_estimate"), report.get("dice_error")
    if dice is not None and error is not None:
        text = _("Estimated Dice with a careful reference: {dice} ± {error}")
        lines.append(text.format(dice=f"{dice:.3f}", error=f"{error:.3f}"))
    if report.get("overlap") is not None:
        text = _("Carried over; its Dice with what the network finds here: {dice}")
        lines.append(text.format(dice=f"{report['overlap']:.3f}"))
    changed = {
        "before border": _("Judged before the border moved."),
        "before CSF": _("Judged before fluid was taken off."),
        "before CSF and border": _("Judged before fluid was taken off and the border moved."),
    }.get(judged_mask(state.get("borderMm", 0.0), report.get("keep_csf", True)))
    lines += [changed] if changed else []
    lines += [_("Judged before it was corrected.")] if state.get("clicks") else []
    if state.get("borderMm"):
        lines.append(_("Border moved by {border} mm").format(border=f"{state['borderMm']:+.1f}"))
    lines += [check.message for check in checks] or [_("Nothing unusual was noticed.")]
    if report.get("engine"):
        text = _("Network run by {engine} on {device}, weights {weights}; it saw {slices}")
        weights = (report.get("weights_sha256") or "?")[:8]
        device = report.get("device", "?")
        slices = report.get("views_used") or "?"
        names = {"engine": report["engine"], "device": device, "weights": weights}
        lines.append(text.format(**names, slices=slices))
    return lines
