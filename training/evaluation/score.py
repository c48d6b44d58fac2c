"""Compare a folder of predicted masks with the truth, at hand or behind an HTTP scorer."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from skullstrip.batch.tables import write_rows
from skullstrip.errors import InputError
from skullstrip.grid.volume import Volume

from ..data.dataset import images_in
from ..data.pair import GRID_TOLERANCE_MM, Pair, grid_mismatch_mm, read_volume
from .evaluate import Finder, WorstCases, chosen_pairs, evaluate, read_scans, write_evaluation
from .http_scorer import TIMEOUT_S, remote_dice
from .scores import summarise


def find_predictions(folder: Path) -> dict[str, Path]:
    """Return the masks of a folder by scan name: ``<name>_mask`` or ``<name>_brain_mask``.

    Raise InputError where there is none.
    """
    found = {
        stem.removesuffix("_mask").removesuffix("_brain"): path
        for stem, path in (images_in(folder) if folder.is_dir() else {}).items()
        if stem.endswith("_mask")
    }
    if not found:
        raise InputError(
            f"No file <name>_mask is in {folder}; 'python -m training predict' writes them."
        )
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
    parser.add_argument("predictions", type=Path, help="folder of <name>_mask images")
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
        rows = (
            {"scan": name, "dice": f"{each:.6g}"}
            for name, each in zip(predictions, dice, strict=True)
        )
        write_rows(arguments.out / "scores.csv", ["scan", "dice"], rows)
        mean, lowest = float(np.mean(dice)), min(dice)
    else:
        worst = WorstCases()
        scores = evaluate(read_scans(chosen_pairs(arguments)), from_files(predictions), worst)
        facts = [f"masks: {arguments.predictions}", f"truth: {arguments.data}"]
        write_evaluation(arguments.out, "Score", facts, scores, worst)
        found = summarise(scores)
        mean, lowest = found.mean, found.worst
    print(f"mean Dice {mean:.4f}, worst {lowest:.4f}; scores in {arguments.out}")
