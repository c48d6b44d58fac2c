"""Judge weights on spoilt scans: Dice against the strength of each perturbation."""

from __future__ import annotations

import argparse
import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from skullstrip.cli.common import method_options
from skullstrip.errors import InputError
from skullstrip.grid.volume import Volume

from ..data.pair import Pair, read_pair
from .evaluate import (
    Scan,
    WorstCases,
    add_judging_arguments,
    by_pipeline,
    chosen_pairs,
    describe_weights,
    evaluate,
)
from .perturbations import PERTURBATIONS
from .scores import ScanScore, listed, markdown_table, number, write_scores_csv

STRENGTHS = (0.33, 0.67, 1.0)
UNTOUCHED = "none"


def spoil(
    volume: Volume, mask: np.ndarray, name: str, strength: float, scan: str
) -> tuple[Volume, np.ndarray]:
    """Apply one perturbation, of strength 0 none, with random numbers of scan and name only.

    The same scan is turned about the same axis at every strength, so that a row of the table
    shows the strength and nothing else.
    """
    if strength == 0:
        return volume, mask
    rng = np.random.default_rng([0, zlib.crc32(f"{scan}/{name}".encode())])
    return PERTURBATIONS[name](volume, mask, strength, rng)


def spoilt_scans(pair: Pair, names: Sequence[str], strengths: Sequence[float]) -> Iterator[Scan]:
    """Give a scan as it is and after every perturbation at every strength, named by its groups."""
    volume, mask = read_pair(pair)
    for name, strength in [(UNTOUCHED, 0.0), *itertools.product(names, strengths)]:
        groups = (("head", pair.name), ("perturbation", name), ("strength", f"{strength:g}"))
        run = replace(pair, scan=f"{pair.name} {name} {strength:g}", groups=groups)
        yield run, *spoil(volume, mask, name, strength, pair.name)


def stress_markdown(facts: Iterable[str], scores: Sequence[ScanScore]) -> str:
    """Return the report: one row a perturbation and strength, mean and worst Dice."""
    runs: dict[tuple[str, str], list[float]] = {}
    for score in scores:
        groups = dict(score.groups)
        runs.setdefault((groups["perturbation"], groups["strength"]), []).append(score["dice"])
    rows = (
        [*run, str(len(dice)), number(float(np.mean(dice)), 4), number(min(dice), 4)]
        for run, dice in runs.items()
    )
    table = markdown_table(["perturbation", "strength", "scans", "mean Dice", "worst Dice"], rows)
    return (
        f"# Stress test\n\n{listed(facts)}\n\n{table}\n\n"
        "Strength 1 is severe and 0 leaves the scan as it is; "
        "`training/evaluation/perturbations.py` defines both. A scan that was "
        "refused counts with Dice 0.\n"
    )


def choose_scans(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """Return at most `limit` scans, taken in turn from each data set."""
    by_dataset: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_dataset.setdefault(pair.dataset, []).append(pair)
    turns = itertools.chain.from_iterable(itertools.zip_longest(*by_dataset.values()))
    return [pair for pair in turns if pair is not None][:limit]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_judging_arguments(parser, "stress")
    parser.add_argument("--only", nargs="+", choices=PERTURBATIONS, default=list(PERTURBATIONS))
    parser.add_argument("--strengths", nargs="+", type=float, default=list(STRENGTHS))
    parser.add_argument("--limit", type=int, default=6, help="scans, over all data sets; 6")


def run(arguments: argparse.Namespace) -> None:
    """Write ``stress.csv``, ``stress.md`` and ``stress.png``."""
    if any(not 0 <= strength <= 1 for strength in arguments.strengths):
        raise InputError(f"The strengths {arguments.strengths} must lie between 0 and 1.")
    find, worst = by_pipeline(method_options(arguments)), WorstCases()
    facts, out = [describe_weights(arguments.weights)], Path(arguments.out)
    scores: list[ScanScore] = []
    for pair in choose_scans(chosen_pairs(arguments), arguments.limit):
        scores += evaluate(spoilt_scans(pair, arguments.only, arguments.strengths), find, worst)
        write_scores_csv(out / "stress.csv", scores)  # what is done survives a kill
        (out / "stress.md").write_text(stress_markdown(facts, scores), encoding="utf-8")
        worst.save(out / "stress.png")
    print(f"{len(scores)} runs; table in {out / 'stress.md'}")
