"""Judge weights: the full pipeline on every scan of a split, on the scan's own grid."""

from __future__ import annotations

import argparse
import time
from bisect import bisect, bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skullstrip.cli.common import add_options, options_of
from skullstrip.errors import Cancelled, SkullStripError
from skullstrip.grid.orientation import orientation_of
from skullstrip.grid.volume import Volume
from skullstrip.network.manifest import load_manifest
from skullstrip.options import Options
from skullstrip.pipeline import extract_brain, load_engine

from ..data.dataset import DATA_HELP, find_pairs, select_split
from ..data.pair import Pair, read_pair
from ..data.pictures import PREDICTED, TRUTH, page, scan_row
from .scores import COLUMNS, Score, agreement, evaluation_markdown, summarise, write_figures

if TYPE_CHECKING:
    from PIL.Image import Image

WORST_SHOWN = 8
AGES, AGE_GROUPS = (2, 18, 65), ("infant", "child", "adult", "65 and older")  # below, in years
THICKNESSES_MM = (1.1, 1.6, 2.5, 4.5)  # up to
THICKNESS_BANDS = (
    "0 to 1.1 mm", "1.1 to 1.6 mm", "1.6 to 2.5 mm", "2.5 to 4.5 mm", "over 4.5 mm",
)  # fmt: skip

Scan = tuple[Pair, Volume, np.ndarray]  # with its true mask
Finder = Callable[[Pair, Volume], np.ndarray]  # gives a scan's predicted mask, bool


class Evaluation(NamedTuple):
    """The scores of scans, and pictures of the worst, with their Dice, the worst first."""

    scores: list[Score]
    worst: list[tuple[float, Image]]


def by_pipeline(options: Options = Options()) -> Finder:
    """Load the engine; return what runs the full pipeline."""
    loaded = replace(options, engine=load_engine(options))
    return lambda _pair, volume: extract_brain(volume.array, volume.affine, loaded).brain_mask


def read_scans(pairs: Iterable[Pair]) -> Iterator[Scan]:
    """Read scans as they came, one at a time."""
    return ((pair, *read_pair(pair)) for pair in pairs)


def evaluate(scans: Iterable[Scan], find: Finder) -> Evaluation:
    """Score the mask of every scan; a scan of which none is found counts with Dice 0."""
    scores: list[Score] = []
    worst: list[tuple[float, Image]] = []
    for pair, volume, truth in scans:
        start, failure = time.perf_counter(), ""
        try:
            mask = find(pair, volume)
        except Cancelled:
            raise
        except SkullStripError as error:
            mask, failure = np.zeros_like(truth), str(error)
        seconds = time.perf_counter() - start
        score = score_mask(pair, volume, truth, mask) | {"seconds": seconds, "failure": failure}
        if failure:
            score["dice"] = 0.0  # even where there is no brain to be found
        said = f"Dice {score['dice']:.4f}  HD95 {score['hd95_mm']:.1f} mm"
        print(f"{pair.name}: {failure or f'{said}  {seconds:.1f} s'}", flush=True)
        scores.append(score)
        if len(worst) < WORST_SHOWN or score["dice"] < worst[-1][0]:
            picture = scan_row(volume, {TRUTH: truth, PREDICTED: mask}, f"{pair.name}  {said}")
            worst.append((score["dice"], picture))
            worst = sorted(worst, key=lambda entry: entry[0])[:WORST_SHOWN]
    return Evaluation(scores, worst)


def score_mask(pair: Pair, volume: Volume, truth: np.ndarray, mask: np.ndarray) -> Score:
    """Compare a scan's predicted mask with the truth, and tell the groups to judge the scan in."""
    known = dict(pair.groups)
    thickness_mm = float(volume.spacing_mm.max())  # where there are slices
    groups = {
        "contrast": known.pop("contrast", "T1w"),
        "age group": known.pop("age_group", "") or age_group(known.pop("age", "")),
        "slice thickness": THICKNESS_BANDS[bisect_left(THICKNESSES_MM, thickness_mm)],
        "dataset": pair.dataset or "(none)",
        "orientation": orientation_of(volume.affine).codes,
    }
    return {
        **known,
        **groups,
        "scan": pair.name,
        "subject": pair.subject,
        **agreement(mask, truth, volume.spacing_mm),
        "volume_ml": float(np.count_nonzero(mask)) * volume.voxel_volume_ml,
    }


def age_group(years: str) -> str:
    """Name the group of an age in years; "not stated" where it is no number."""
    try:
        age = float(years)
    except ValueError:
        return "not stated"
    return AGE_GROUPS[bisect(AGES, age)] if age >= 0 else "not stated"


def write_evaluation(out: Path, title: str, facts: Sequence[str], evaluation: Evaluation) -> str:
    """Write ``scores.csv``, ``report.md`` and ``worst.png`` into a folder; return the report."""
    scores, worst = evaluation
    groups = {column for score in scores for column in score if column not in COLUMNS}
    write_figures(out / "scores.csv", (*COLUMNS, *sorted(groups)), scores)
    report = evaluation_markdown(title, facts, scores)
    (out / "report.md").write_text(report, encoding="utf-8")
    if worst:
        page([picture for _, picture in worst], columns=2).save(out / "worst.png")
    return report


def add_judging_arguments(parser: argparse.ArgumentParser, out: str) -> None:
    """Add what the commands have that judge weights on a data set."""
    parser.add_argument("data", type=Path, help=DATA_HELP)
    parser.add_argument("--split", default="val", help="split to judge, or 'all'; default: val")
    parser.add_argument("-o", "--out", type=Path, default=Path(out), help=f"default: {out}")
    add_options(parser)


def judge_and_report(
    arguments: argparse.Namespace, title: str, scans: Iterable[Scan], about: str
) -> list[Score]:
    """Judge the weights of the arguments; `about` says of the report what the scans are."""
    manifest, _ = load_manifest(arguments.weights)
    facts = [
        f"weights: {manifest.name}, SHA-256 {manifest.weights_sha256}",
        about,
        f"views: {arguments.views}, engine: {arguments.engine}",
    ]
    evaluation = evaluate(scans, by_pipeline(options_of(arguments, Options)))
    write_evaluation(arguments.out, title, facts, evaluation)
    dice = summarise(evaluation.scores)
    print(f"mean Dice {dice.mean:.4f}, worst {dice.worst:.4f}; report in {arguments.out}")
    return evaluation.scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_judging_arguments(parser, "evaluation")


def run(arguments: argparse.Namespace) -> None:
    pairs, split = select_split(find_pairs(arguments.data), arguments.split), arguments.split
    about = f"data: {arguments.data}, split {split}, {len(pairs)} scans"
    judge_and_report(arguments, f"Evaluation on {split}", read_scans(pairs), about)
