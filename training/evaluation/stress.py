"""Judge weights on spoilt scans: Dice against the strength of each perturbation."""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skullstrip.cli.common import add_method_options, method_options
from skullstrip.errors import InputError
from skullstrip.grid.volume import Volume

from ..data.csv_manifest import write_csv
from ..data.dataset import select_split
from ..data.pair import Pair, read_pair
from ..data.pictures import PREDICTED, TRUTH, page, scan_row
from ..data.splits import load_pairs
from .evaluate import describe_weights, score_scan
from .perturbations import PERTURBATIONS
from .report import markdown_table, number
from .segmenter import Segmenter, make_segmenter

if TYPE_CHECKING:
    from PIL.Image import Image

STRENGTHS = (0.33, 0.67, 1.0)
UNTOUCHED = "none"


@dataclass(frozen=True)
class StressScore:
    """Agreement on one scan after one perturbation; `failure` says why no mask came out."""

    scan: str
    perturbation: str
    strength: float
    dice: float
    hd95_mm: float
    failure: str = ""


def spoil(
    volume: Volume, mask: np.ndarray, name: str, strength: float, scan: str, seed: int = 0
) -> tuple[Volume, np.ndarray]:
    """Apply one perturbation, with random numbers that depend on scan, name and seed only.

    `UNTOUCHED` leaves the scan as it is.
    The same scan is turned about the same axis at every strength, so that a row of the table
    shows the strength and nothing else.
    """
    if name == UNTOUCHED:
        return volume, mask
    rng = np.random.default_rng([seed, zlib.crc32(f"{scan}/{name}".encode())])
    return PERTURBATIONS[name](volume, mask, strength, rng)


def stress_scan(
    pair: Pair,
    segment: Segmenter,
    names: Sequence[str],
    strengths: Sequence[float],
    seed: int = 0,
) -> tuple[list[StressScore], list[Image]]:
    """Judge one scan as it is and after every perturbation at every strength.

    Returns
    -------
    scores : list of StressScore
    pictures : list of PIL.Image.Image
        The strongest of each perturbation.
    """
    volume, mask = read_pair(pair)
    scores, pictures = [], []
    runs = [(UNTOUCHED, 0.0), *((name, strength) for name in names for strength in strengths)]
    for name, strength in runs:
        spoilt, truth = spoil(volume, mask, name, strength, pair.name, seed)
        score, predicted = score_scan(pair, spoilt, truth, segment)
        found = StressScore(
            pair.name, name, strength, score["dice"], score["hd95_mm"], score.failure
        )
        scores.append(found)
        print(f"{pair.name}  {name} {strength:g}: Dice {found.dice:.4f}", flush=True)
        if strength == max(strengths):
            caption = f"{pair.name}  {name} {strength:g}  Dice {found.dice:.4f}"
            pictures.append(scan_row(spoilt, {TRUTH: truth, PREDICTED: predicted}, caption))
    return scores, pictures


def stress_table(scores: Iterable[StressScore]) -> list[tuple[str, float, int, float, float]]:
    """Return (perturbation, strength, scans, mean Dice, worst Dice), in the order of running."""
    groups: dict[tuple[str, float], list[float]] = {}
    for score in scores:
        groups.setdefault((score.perturbation, score.strength), []).append(score.dice)
    return [
        (name, strength, len(dice), float(np.mean(dice)), float(np.min(dice)))
        for (name, strength), dice in groups.items()
    ]


def stress_markdown(facts: Sequence[str], scores: Sequence[StressScore]) -> str:
    """Return the report: one row a perturbation and strength, mean and worst Dice."""
    rows = (
        [name, f"{strength:g}", str(count), number(mean, 4), number(worst, 4)]
        for name, strength, count, mean, worst in stress_table(scores)
    )
    table = markdown_table(["perturbation", "strength", "scans", "mean Dice", "worst Dice"], rows)
    listed = "\n".join(f"- {fact}" for fact in facts)
    return (
        f"# Stress test\n\n{listed}\n\n{table}\n\n"
        "Strength 1 is severe and 0 leaves the scan as it is; "
        "`training/evaluation/perturbations.py` defines both. A scan that was "
        "refused counts with Dice 0.\n"
    )


def write_stress(
    out: Path, facts: Sequence[str], scores: Sequence[StressScore], pictures: Sequence[Image]
) -> None:
    """Write ``stress.csv`` (scan by scan), ``stress.md`` and ``stress.png`` (one scan)."""
    out.mkdir(parents=True, exist_ok=True)
    header = [field.name for field in fields(StressScore)]
    rows = ([f"{x:.6g}" if isinstance(x, float) else x for x in astuple(s)] for s in scores)
    write_csv(out / "stress.csv", header, rows)
    (out / "stress.md").write_text(stress_markdown(facts, scores), encoding="utf-8")
    if pictures:
        page(pictures, columns=3).save(out / "stress.png")


def choose_scans(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """Return at most `limit` scans, taken in turn from each data set."""
    by_dataset: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_dataset.setdefault(pair.dataset, []).append(pair)
    queues = list(by_dataset.values())
    longest = max(len(queue) for queue in queues)
    turns = [queue[i] for i in range(longest) for queue in queues if i < len(queue)]
    return turns[:limit]


def main(argv: list[str] | None = None) -> int:
    """Judge weights on spoilt scans."""
    parser = argparse.ArgumentParser("python -m training stress", description=__doc__)
    parser.add_argument("data", type=Path, help="data set: folder, BIDS or CSV manifest")
    parser.add_argument("--splits", type=Path, help="list of splits (CSV: subject, split)")
    parser.add_argument("--split", default="val", help="split to judge, or 'all'; default: val")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=", ".join(PERTURBATIONS))
    parser.add_argument("--strengths", nargs="+", type=float, default=list(STRENGTHS))
    parser.add_argument("--limit", type=int, default=6, help="scans, over all data sets; 6")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, default=Path("stress"))
    add_method_options(parser)
    arguments = parser.parse_args(argv)
    names = arguments.only or list(PERTURBATIONS)
    unknown = [name for name in names if name not in PERTURBATIONS]
    if unknown:
        raise InputError(
            f"There is no perturbation {unknown[0]!r}; use {', '.join(PERTURBATIONS)}."
        )
    if any(not 0 <= strength <= 1 for strength in arguments.strengths):
        raise InputError(f"The strengths {arguments.strengths} must lie between 0 and 1.")
    pairs = select_split(load_pairs(arguments.data, arguments.splits), arguments.split)
    segment = make_segmenter(method_options(arguments))
    scores: list[StressScore] = []
    pictures: list[Image] = []
    facts = describe_weights(arguments.weights)
    for pair in choose_scans(pairs, arguments.limit):
        found, drawn = stress_scan(pair, segment, names, arguments.strengths, arguments.seed)
        scores += found
        pictures = pictures or drawn
        write_stress(arguments.out, facts, scores, pictures)  # what is done survives a kill
    print(f"{len(scores)} runs; table in {arguments.out / 'stress.md'}")
    return 0
