"""Judge weights: the full pipeline on every scan of a split, on the scan's own grid."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skullstrip.cli.common import add_method_options, method_options
from skullstrip.errors import Cancelled, SkullStripError
from skullstrip.grid.orientation import axis_codes
from skullstrip.grid.volume import Volume
from skullstrip.network.manifest import load_manifest
from skullstrip.options import Options
from skullstrip.pipeline import extract_brain, load_engine

from ..data.dataset import DATA_HELP, find_pairs, select_split
from ..data.pair import Pair, read_pair
from ..data.pictures import PREDICTED, TRUTH, page, place_of_largest_error, scan_row
from .metrics import agreement
from .scores import FAILED, ScanScore, evaluation_markdown, summarise, write_scores_csv

if TYPE_CHECKING:
    from PIL.Image import Image

WORST_SHOWN = 8
AGES = ((2, "infant"), (18, "child"), (65, "adult"), (float("inf"), "65 and older"))  # below
THICKNESSES = (  # up to
    (1.1, "0 to 1.1 mm"), (1.6, "1.1 to 1.6 mm"), (2.5, "1.6 to 2.5 mm"), (4.5, "2.5 to 4.5 mm"),
    (float("inf"), "over 4.5 mm"),
)  # fmt: skip

Scan = tuple[Pair, Volume, np.ndarray]  # with its true mask
Finder = Callable[[Pair, Volume], np.ndarray]  # gives a scan's predicted mask, bool


def by_pipeline(options: Options = Options()) -> Finder:
    """Load the engine; return what runs the full pipeline."""
    loaded = replace(options, engine=load_engine(options))
    return lambda _pair, volume: extract_brain(volume.array, volume.affine, loaded).brain_mask


def read_scans(pairs: Iterable[Pair]) -> Iterator[Scan]:
    """Read scans as they came, one at a time."""
    return ((pair, *read_pair(pair)) for pair in pairs)


@dataclass
class WorstCases:
    """Pictures of the scans with the lowest Dice; only as many are kept as are shown."""

    limit: int = WORST_SHOWN
    rows: list[tuple[float, str, Image]] = field(default_factory=list)

    def offer(self, score: ScanScore, volume: Volume, truth: np.ndarray, mask: np.ndarray) -> None:
        """Keep a picture of this scan if it is among the worst so far."""
        if len(self.rows) == self.limit and score["dice"] >= self.rows[-1][0]:
            return
        caption = f"{score.scan}  Dice {score['dice']:.4f}  HD95 {score['hd95_mm']:.1f} mm"
        centre = place_of_largest_error(mask, truth)
        row = scan_row(volume, {TRUTH: truth, PREDICTED: mask}, caption, centre)
        self.rows.append((score["dice"], score.scan, row))
        self.rows.sort(key=lambda entry: entry[:2])
        del self.rows[self.limit :]

    def save(self, path: Path) -> None:
        """Write the pictures as one page, if there are any."""
        if self.rows:
            page([row for *_, row in self.rows], columns=2).save(path)


def evaluate(
    scans: Iterable[Scan], find: Finder, worst: WorstCases | None = None
) -> list[ScanScore]:
    """Score the mask of every scan; a scan of which none is found counts with Dice 0.

    `worst` collects pictures of the worst ones.
    """
    scores = []
    for pair, volume, truth in scans:
        start, failure = time.perf_counter(), ""
        try:
            mask = find(pair, volume)
        except Cancelled:
            raise
        except SkullStripError as error:
            mask, failure = np.zeros_like(truth), str(error)
        seconds = time.perf_counter() - start
        score = score_mask(pair, volume, truth, mask, seconds, failure)
        figures = f"Dice {score['dice']:.4f}  HD95 {score['hd95_mm']:.2f} mm  {seconds:.1f} s"
        print(f"{score.scan}: {f'failed, {failure}' if failure else figures}", flush=True)
        scores.append(score)
        if worst is not None:
            worst.offer(score, volume, truth, mask)
    return scores


def score_mask(
    pair: Pair,
    volume: Volume,
    truth: np.ndarray,
    mask: np.ndarray,
    seconds: float = float("nan"),
    failure: str = "",
) -> ScanScore:
    """Compare a scan's predicted mask with the truth, unless there is none."""
    values = FAILED if failure else agreement(mask, truth, volume.spacing_mm)
    volume_ml = float(np.count_nonzero(mask)) * volume.voxel_volume_ml
    groups = subgroups(pair, volume)
    return ScanScore(pair.name, pair.subject, groups, values, volume_ml, seconds, failure)


def subgroups(pair: Pair, volume: Volume) -> tuple[tuple[str, str], ...]:
    """Return the groups to judge a scan in: contrast, age, thickness, data set, and its own."""
    known = dict(pair.groups)
    groups = {
        "contrast": known.pop("contrast", "T1w"),
        "age group": known.pop("age_group", "") or age_group(known.pop("age", "")),
        "slice thickness": thickness_band(float(volume.spacing_mm.max())),
        "dataset": pair.dataset or "(none)",
        "orientation": axis_codes(volume.affine),
    }
    return (*groups.items(), *known.items())


def age_group(years: str) -> str:
    """Name the group of an age in years; "not stated" where it is no number."""
    try:
        age = float(years)
    except ValueError:
        return "not stated"
    return next((name for limit, name in AGES if age < limit), "not stated")


def thickness_band(largest_side_mm: float) -> str:
    """Name the band of the largest voxel side, which is the slice thickness where there is one."""
    return next(name for limit, name in THICKNESSES if largest_side_mm <= limit)


def write_evaluation(
    out: Path, title: str, facts: list[str], scores: list[ScanScore], worst: WorstCases
) -> None:
    """Write ``scores.csv``, ``report.md`` and ``worst.png`` into a folder."""
    write_scores_csv(out / "scores.csv", scores)
    (out / "report.md").write_text(evaluation_markdown(title, facts, scores), encoding="utf-8")
    worst.save(out / "worst.png")


def describe_weights(weights: str | Path | None) -> str:
    """Return what a report must say of the weights: name and hash."""
    manifest, _ = load_manifest(weights)
    return f"weights: {manifest.name}, SHA-256 {manifest.weights_sha256}"


def add_judging_arguments(parser: argparse.ArgumentParser, out: str) -> None:
    """Add what the commands have that judge weights on a data set."""
    parser.add_argument("data", type=Path, help=DATA_HELP)
    parser.add_argument("--split", default="val", help="split to judge, or 'all'; default: val")
    parser.add_argument("-o", "--out", type=Path, default=Path(out), help=f"default: {out}")
    add_method_options(parser)


def chosen_pairs(arguments: argparse.Namespace) -> tuple[Pair, ...]:
    """Return the scans that these arguments choose."""
    return select_split(find_pairs(arguments.data), arguments.split)


def judge_and_report(
    arguments: argparse.Namespace, title: str, scans: Iterable[Scan], about: str
) -> list[ScanScore]:
    """Judge the weights of the arguments; `about` says of the report what the scans are."""
    worst = WorstCases()
    scores = evaluate(scans, by_pipeline(method_options(arguments)), worst)
    how = f"views: {arguments.views}, engine: {arguments.engine}"
    facts = [describe_weights(arguments.weights), about, how]
    write_evaluation(arguments.out, title, facts, scores, worst)
    return scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_judging_arguments(parser, "evaluation")


def run(arguments: argparse.Namespace) -> None:
    pairs, split = chosen_pairs(arguments), arguments.split
    about = f"data: {arguments.data}, split {split}, {len(pairs)} scans"
    dice = summarise(
        judge_and_report(arguments, f"Evaluation on {split}", read_scans(pairs), about)
    )
    print(f"mean Dice {dice.mean:.4f}, worst {dice.worst:.4f}; report in {arguments.out}")
