"""Figures of the verdict on masks whose Dice is known: tables, ROC, reliability, pictures."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from skullstrip.quality.calibration import Calibration
from skullstrip.quality.evidence import right_odds
from skullstrip.quality.verdict import Judgement, judge_measures

from ..augment.synthesis import LOOKS
from ..evaluation.scores import markdown_table, number, write_figures
from ..evaluation.stress import UNTOUCHED
from .cases import BAD_DICE, BOTH, MASK, OWN, Row, Voxels

# Flagged because of what they are, however well the brain in them is found.
INCOMPLETE = ("crop_top", "crop_front", "enlarge", "shrink", "wrong_header")
BINS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0001)
NEAR_PROBABILITY = 0.02  # voxels between this and its complement are near the surface
GROUPS: Mapping[str, Callable[[Row], bool]] = {  # that figures are given for
    "own masks, scans as they came": lambda row: row.kind == OWN and row.what == UNTOUCHED,
    "own masks, painted contrasts": lambda row: row.kind == OWN and row.what in LOOKS,
    "own masks, spoilt scans": lambda row: (
        row.kind == OWN and row.what not in (UNTOUCHED, *LOOKS, *INCOMPLETE)
    ),
    "own masks, heads cut, resized, turned": lambda row: row.kind == OWN and row.what in INCOMPLETE,
    "mask damaged": lambda row: row.kind == MASK,
    "mask and probability damaged": lambda row: row.kind == BOTH,
}


class Judged(NamedTuple):
    """A mask and what was thought of it."""

    row: Row
    judgement: Judgement

    @property
    def is_flagged(self) -> bool:
        """Whether somebody is asked to look at it."""
        return self.judgement.verdict != "pass"


def judge_rows(rows: Iterable[Row], calibration: Calibration) -> list[Judged]:
    """Judge every mask."""
    return [Judged(row, judge_measures(row.measured, calibration)) for row in rows]


def flag_table(judged: Sequence[Judged]) -> str:
    """Return how many bad and how many good masks were flagged, by group."""
    rows = []
    for name, belongs in GROUPS.items():
        cells = [name]
        for is_bad in (True, False):
            chosen = [e for e in judged if belongs(e.row) and e.row.is_bad == is_bad]
            flagged = sum(entry.is_flagged for entry in chosen)
            share = f"{flagged} ({flagged / len(chosen):.1%})" if chosen else "–"
            cells += [str(len(chosen)), share]
        rows.append(cells)
    header = ["masks", f"Dice < {BAD_DICE:g}", "flagged", f"Dice >= {BAD_DICE:g}", "flagged"]
    return markdown_table(header, rows)


def damage_table(judged: Sequence[Judged]) -> str:
    """By damage or perturbation: masks, range of Dice, how many were flagged and failed."""
    kinds: dict[tuple[str, str], list[Judged]] = {}
    for entry in judged:
        kinds.setdefault((entry.row.kind, entry.row.what), []).append(entry)
    rows = []
    for kind, entries in sorted(kinds.items()):
        dice = [entry.row.dice for entry in entries]
        flagged = sum(entry.is_flagged for entry in entries)
        failed = sum(entry.judgement.verdict == "fail" for entry in entries)
        span = f"{min(dice):.3f} to {max(dice):.3f}"
        rows.append([*kind, str(len(entries)), span, str(flagged), str(failed)])
    return markdown_table(["kind", "what", "masks", "Dice", "flagged", "of these fail"], rows)


def estimate_table(judged: Sequence[Judged]) -> str:
    """Error of the estimated Dice and cover of the 90 % intervals, by group, good masks."""
    rows = []
    for name, belongs in GROUPS.items():
        good = [
            (row, judgement.estimate)
            for row, judgement in judged
            if belongs(row) and not row.is_bad
        ]
        if not good:
            continue
        apart = np.array([found.dice - row.dice for row, found in good])
        covered = np.mean([abs(found.dice - row.dice) <= found.dice_error for row, found in good])
        lost = [abs(row.volume_ml - row.truth_ml) <= found.volume_error_ml for row, found in good]
        errors = number(float(np.abs(apart).mean()), 4), number(float(apart.mean()), 4)
        rows.append([name, str(len(good)), *errors, f"{covered:.0%}", f"{np.mean(lost):.0%}"])
    header = ["masks", "count", "mean abs. error of Dice", "bias", "Dice in interval",
              "volume in interval"]  # fmt: skip
    return markdown_table(header, rows)


def roc(judged: Sequence[Judged]) -> tuple[np.ndarray, np.ndarray, float]:
    """Return false alarms, detections and the area under the curve, of the estimated Dice alone."""
    bad = np.array([entry.row.is_bad for entry in judged])
    scores = np.array([entry.judgement.estimate.dice for entry in judged])
    thresholds = np.concatenate([[-1.0], np.unique(scores), [2.0]])
    detected = np.array([(scores[bad] < level).mean() for level in thresholds])
    alarmed = np.array([(scores[~bad] < level).mean() for level in thresholds])
    area = float(np.sum(np.diff(alarmed) * (detected[1:] + detected[:-1]) / 2))
    return alarmed, detected, area


def reliability_table(samples: Iterable[Voxels], calibration: Calibration) -> str:
    """Stated confidence, voxels, mean stated and share right; voxels near the surface only."""
    probability, disagreement, truth = map(np.concatenate, zip(*samples, strict=True))
    near = (probability > NEAR_PROBABILITY) & (probability < 1 - NEAR_PROBABILITY)
    stated = expit(right_odds(probability[near], disagreement[near], calibration))
    right = ((probability >= 0.5) == truth)[near]
    rows = []
    for low, high in pairwise(BINS):
        inside = (stated >= low) & (stated < high)
        if inside.any():
            shares = number(float(stated[inside].mean()), 3), number(float(right[inside].mean()), 3)
            rows.append([f"{low:g} to {min(high, 1):g}", str(int(inside.sum())), *shares])
    return markdown_table(["stated confidence", "voxels", "mean stated", "share right"], rows)


def write_quality_report(
    out: Path,
    judged: Sequence[Judged],
    held_out_scans: Container[str],
    samples: Iterable[Voxels],
    calibration: Calibration,
) -> None:
    """Write ``quality.md``, ``masks.csv`` and ``roc.png`` into a folder.

    Every mask was judged by a calibration that has not seen its scan; the network has not seen the
    held-out scans either, of whose own masks the voxels are a sample, for the confidence.
    """
    held_out = [entry for entry in judged if entry.row.scan in held_out_scans]
    curves = {
        "own masks": roc([e for e in held_out if e.row.kind == OWN]),
        "and damaged masks": roc(held_out),
    }
    parts = [
        "# Quality verdict on held-out scans",
        flag_table(held_out),
        "\n".join(f"- AUC, {name}: {area:.4f}" for name, (_, _, area) in curves.items()),
        estimate_table(held_out),
        damage_table(held_out),
        reliability_table(samples, calibration),
        "## Training scans as well",
        flag_table(judged),
        estimate_table(judged),
    ]
    rows = [
        {name: getattr(row, name) for name in ("scan", "kind", "what", "strength", "dice")}
        | {"estimate": found.estimate.dice, "verdict": found.verdict}
        | {"reasons": " ".join(check.code for check in found.reasons), **row.measured}
        for row, found in judged
    ]
    write_figures(out / "masks.csv", tuple(rows[0]), rows)
    (out / "quality.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    _draw(out / "roc.png", curves, held_out)


def _draw(
    path: Path, curves: Mapping[str, tuple[np.ndarray, np.ndarray, float]], judged: Sequence[Judged]
) -> None:
    """ROC, and estimated against real Dice."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, (alarmed, detected, area) in curves.items():
        left.step(alarmed, detected, where="post", label=f"{name}: AUC {area:.4f}")
    left.axhline(0.95, color="grey", linewidth=0.7)
    left.axvline(0.05, color="grey", linewidth=0.7)
    left.set(xlabel="good masks flagged", ylabel="masks under Dice 0.95 flagged",
             xlim=(-0.01, 0.3), ylim=(0.7, 1.005))  # fmt: skip
    for kind, marker in ((BOTH, "x"), (MASK, "+"), (OWN, "o")):
        points = [(row.dice, found.estimate.dice) for row, found in judged if row.kind == kind]
        style = {"markersize": 4, "alpha": 0.7, "fillstyle": "none"}
        right.plot(*np.reshape(points, (-1, 2)).T, marker, label=kind, **style)
    right.plot([0.6, 1], [0.6, 1], color="grey", linewidth=0.7)
    right.set(xlabel="Dice", ylabel="estimated Dice", xlim=(0.6, 1), ylim=(0.6, 1))
    for axes in (left, right):
        axes.legend(loc="lower right")
    figure.savefig(path, dpi=100)
