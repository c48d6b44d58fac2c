"""Compare a folder of predicted masks with the truth, at hand or behind an HTTP scorer."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from skullstrip.errors import InputError
from skullstrip.grid.volume import Volume

from ..data.csv_manifest import write_csv
from ..data.dataset import find_pairs, select_split
from ..data.layouts import images_in
from ..data.pair import GRID_TOLERANCE_MM, Pair, grid_mismatch_mm, read_volume
from .evaluate import Finder, WorstCases, evaluate, read_scans, write_evaluation
from .http_scorer import TIMEOUT_S, remote_dice
from .scores import FIGURES, summarise


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


def score_remotely(predictions: Mapping[str, Path], url: str, timeout_s: float) -> dict[str, float]:
    """Send every mask to an HTTP scorer and return the Dice of each."""
    found = {}
    for name, path in predictions.items():
        found[name] = remote_dice(url, name, path, timeout_s=timeout_s)
        print(f"{name}: {found[name]:.4f}", flush=True)
    return found


def main(argv: list[str] | None = None) -> int:
    """Score a folder of masks."""
    parser = argparse.ArgumentParser("python -m training score", description=__doc__)
    parser.add_argument("predictions", type=Path, help="folder of <name>_mask images")
    parser.add_argument("data", type=Path, nargs="?", help="data set with the true masks")
    parser.add_argument("--url", help="HTTP scorer; the scan's name is appended as it is")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, help="seconds an answer; 60")
    parser.add_argument("--split", default="all", help="split to score; default: all")
    parser.add_argument("-o", "--out", type=Path, default=Path("scores"))
    arguments = parser.parse_args(argv)
    if (arguments.data is None) == (arguments.url is None):
        raise InputError("Give either a data set with true masks or --url of a scorer.")
    predictions = find_predictions(arguments.predictions)
    if arguments.url:
        found = score_remotely(predictions, arguments.url, arguments.timeout)
        arguments.out.mkdir(parents=True, exist_ok=True)
        rows = ((name, f"{dice:.6g}") for name, dice in found.items())
        write_csv(arguments.out / "scores.csv", ["scan", "dice"], rows)
        mean, worst_dice = float(np.mean(list(found.values()))), min(found.values())
    else:
        pairs = select_split(find_pairs(arguments.data), arguments.split)
        worst = WorstCases()
        scores = evaluate(read_scans(pairs), from_files(predictions), worst)
        facts = [f"masks: {arguments.predictions}", f"truth: {arguments.data}"]
        write_evaluation(arguments.out, "Score", facts, scores, worst)
        dice = summarise(scores, FIGURES[0])
        mean, worst_dice = dice.mean, dice.worst
    print(f"mean Dice {mean:.4f}, worst {worst_dice:.4f}; scores in {arguments.out}")
    return 0
