"""A result in the words of who looks at it."""

from __future__ import annotations

from typing import NamedTuple

from slicer.i18n import tr as _

from skullstrip.checks.input_checks import Check
from skullstrip.quality.verdict import judged_mask

from . import outputs


class Description(NamedTuple):
    """A result in words."""

    line: str  # for example "Brain 1648 mL (± 24). Looks right."
    tone: str  # of the line; see `panel.styleFor`
    warnings: tuple[Check, ...]  # what to look at
    details: str  # the rest, a line each
    isEdited: bool  # by hand


def describe(segmentation) -> Description:
    """Describe a result as it is in the scene."""
    state, report = outputs.readState(segmentation), outputs.readReport(segmentation)
    checks = outputs.noticed(report)
    isEdited, isCorrected = outputs.isEdited(segmentation), bool(state.get("clicks"))
    volumeMl = outputs.brainMl(segmentation, outputs.sourceOf(segmentation))
    volume = _("Brain {volume} mL").format(volume=f"{volumeMl:.0f}")
    words, tone = verdicts().get(report.get("verdict", "check" if checks else ""), ("", ""))
    error = report.get("volume_error_ml")
    if isEdited or isCorrected:
        words, tone = _("Edited by hand.") if isEdited else _("Corrected by clicks."), ""
    elif error is not None and not state.get("borderMm"):
        volume += f" (± {error:.0f})"
    warnings = [check for check in checks if check.severity != "note" and not isEdited]
    if outputs.hasMoved(segmentation):
        message = _("The scan was moved since; strip it again, or move the border.")
        warnings.insert(0, Check("scan_moved", "warn", message))
    details = "\n".join(_details(volumeMl, checks, report, state))
    return Description(f"{volume}. {words}".strip(), tone, tuple(warnings), details, isEdited)


def verdicts() -> dict[str, tuple[str, str]]:
    """Return what the panel says for each verdict, and its tone."""
    return {
        "pass": (_("Looks right."), "good"),
        "check": (_("Look at it before you use it."), "warning"),
        "fail": (_("Do not use it as it is."), "error"),
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
        shown = {
            "engine": report["engine"],
            "device": report.get("device", "?"),
            "weights": (report.get("weights_sha256") or "?")[:8],
            "slices": report.get("views_used") or "?",
        }
        lines.append(text.format(**shown))
    return lines
