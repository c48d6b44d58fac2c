"""Compare a folder of predicted masks with the truth, at hand or behind an HTTP scorer."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from skullstrip.batch.records import FAILED, RECORDS, rows
from skullstrip.batch.tables import write_rows
from skullstrip.errors import InputError
from skullstrip.grid.volume import Volume

from ..data.dataset import images_in
from ..data.pair import GRID_TOLERANCE_MM, Pair, grid_mismatch_mm, read_volume
from .evaluate import Finder, WorstCases, chosen_pairs, evaluate, read_scans, write_evaluation
from .http_scorer import TIMEOUT_S, remote_dice
from .scores import summarise

MASK = re.compile("(_brain)?_mask$")
T1W = re.compile("[_/]T1w$")  # which our names of scans leave out


def find_predictions(folder: Path) -> dict[str, Path]:
    """Return the masks of a batch's output, or of a folder of ``<name>_mask``, by scan name.

    Raise InputError where there is none.
    """
    found = {}
    if (folder / RECORDS).is_dir():
        done = [row for row in rows(folder) if row["status"] != FAILED]
        found = {T1W.sub("", str(row["name"])): folder / str(row["brain_mask"]) for row in done}
    elif folder.is_dir():
        images = images_in(folder).items()
        masks = {
            stem.removesuffix("_mask"): path for stem, path in images if stem.endswith("_mask")
        }
        found = {name.removesuffix("_brain"): path for name, path in masks.items()}
    if not found:
        raise InputError(f"No mask is in {folder}; 'skullstrip batch SCANS {folder}' writes them.")
    return found


def from_files(predictions: Mapping[str, Path]) -> Finder:
    """Return what looks a scan's mask up; one that is missing or misplaced is an InputError."""

    def find(pair: Pair, volume: Volume) -> np.ndarray:
        if pair.name not in predictions:
            raise InputError("no mask predicted")
        predicted = read_volume(predictions[pair.name])
        if grid_mismatch_mm(predicted, volume) > GRID_TOLERANCE_MM:
            raise InputError("mask on another grid")
        return predicted.array > 0

    return find


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "predictions", type=Path, help="a batch's output, or a folder of <name>_mask images"
    )
    parser.add_argument("data", type=Path, nargs="?", help="data set with the true masks")
    parser.add_argument("--url", help="HTTP scorer; the scan's name is appended as it is")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, help="seconds an answer; 60")
    parser.add_argument("--split", default="all", help="split to score; default: all")
    parser.add_argument("-o", "--out", type=Path, default=Path("scores"))


def run(arguments: argparse.Namespace) -> None:
    if (arguments.data is None) == (arguments.url is None):
        raise InputError("Give either a data set with true masks or --url of a scorer.")
    predictions = find_predictions(arguments.predictions)
    if arguments.url:
        dice = []
        for name, path in predictions.items():
            dice.append(remote_dice(arguments.url, name, path, timeout_s=arguments.timeout))
            print(f"{name}: {dice[-1]:.4f}", flush=True)
        figures = zip(predictions, (f"{each:.6g}" for each in dice), strict=True)
        table = [{"scan": name, "dice": figure} for name, figure in figures]
        write_rows(arguments.out / "scores.csv", ("scan", "dice"), table)
        mean, lowest = float(np.mean(dice)), min(dice)
    else:
        worst = WorstCases()
        scores = evaluate(read_scans(chosen_pairs(arguments)), from_files(predictions), worst)
        facts = [f"masks: {arguments.predictions}", f"truth: {arguments.data}"]
        write_evaluation(arguments.out, "Score", facts, scores, worst)
        found = summarise(scores)
        mean, lowest = found.mean, found.worst
    print(f"mean Dice {mean:.4f}, worst {lowest:.4f}; scores in {arguments.out}")
