"""Compare a folder of predicted masks with the truth, at hand or behind an HTTP scorer.

The scorer's protocol is the original project's: a mask's NIfTI bytes, compressed by zlib, are
POSTed to the URL with the scan's name appended; the answer is JSON, ``{"dice": 0.98}``. The server
holds the true masks, so that nobody can train on them.
"""

from __future__ import annotations

import argparse
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import numpy as np

from skullstrip.batch.records import FAILED, RECORDS, rows
from skullstrip.errors import InputError, SkullStripError
from skullstrip.grid.volume import Volume

from ..data.dataset import DATA_HELP, find_pairs, images_in, select_split
from ..data.pair import GRID_TOLERANCE_MM, Pair, grid_mismatch_mm, read_volume
from .evaluate import Finder, evaluate, read_scans, write_evaluation
from .scores import summarise, write_figures

T1W = re.compile("[_/]T1w$")  # which our names of scans leave out
MASK = re.compile("(_brain)?_mask$")
TIMEOUT_S = 60.0


class ScorerError(SkullStripError):
    """The scorer did not answer as the protocol says."""


def find_predictions(folder: Path) -> dict[str, Path]:
    """Return the masks of a batch's output, or of a folder of ``<name>_mask``, by scan name.

    Raise InputError where there is none.
    """
    found = {}
    if (folder / RECORDS).is_dir():
        done = [row for row in rows(folder) if row["status"] != FAILED]
        found = {T1W.sub("", str(row["name"])): folder / str(row["brain_mask"]) for row in done}
    elif folder.is_dir():
        masks = {stem: path for stem, path in images_in(folder).items() if MASK.search(stem)}
        found = {MASK.sub("", stem): path for stem, path in masks.items()}
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


def remote_dice(url: str, name: str, mask: Path, timeout_s: float = TIMEOUT_S) -> float:
    """Send one mask under its scan's name and return the Dice that the scorer answers.

    The URL, ``http://`` or ``https://``, may have ``user:password@`` before the host, which no
    message shows; the name is appended as it is, so end it with ``/`` or ``=`` as the server wants.
    Raise ScorerError where the server cannot be reached, refuses, is silent for `timeout_s`, or
    answers something else than a Dice in [0, 1].
    """
    import nibabel
    import requests

    volume = read_volume(mask)
    image = nibabel.Nifti1Image((volume.array > 0).astype(np.uint8), volume.affine)
    content, headers = zlib.compress(image.to_bytes()), {"Content-Type": "application/octet-stream"}
    target = url + quote(name, safe="")
    try:
        answer = requests.post(target, content, headers=headers, timeout=timeout_s)
        answer.raise_for_status()
        dice = float(answer.json()["dice"])
    except requests.HTTPError as error:
        reason = f"status {error.response.status_code}"
        raise ScorerError(f"The scorer did not score {name} ({reason}).") from None
    except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        reason = type(error).__name__  # its words may hold the password
        raise ScorerError(f"The scorer did not score {name} ({reason}).") from None
    if not 0 <= dice <= 1:
        raise ScorerError(f"The scorer's Dice for {name} is {dice}, not between 0 and 1.")
    return dice


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "predictions", type=Path, help="a batch's output, or a folder of <name>_mask images"
    )
    parser.add_argument("data", type=Path, nargs="?", help=f"with the true masks: {DATA_HELP}")
    parser.add_argument("--url", help="HTTP scorer; the scan's name is appended as it is")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, help="seconds an answer; 60")
    parser.add_argument("--split", default="all", help="split to score; default: all")
    parser.add_argument("-o", "--out", type=Path, default=Path("scores"))


def run(arguments: argparse.Namespace) -> None:
    if (arguments.data is None) == (arguments.url is None):
        raise InputError("Give either a data set with true masks or --url of a scorer.")
    predictions = find_predictions(arguments.predictions)
    if arguments.url:
        scores = []
        for name, path in predictions.items():
            dice = remote_dice(arguments.url, name, path, arguments.timeout)
            scores.append({"scan": name, "dice": dice})
            print(f"{name}: {dice:.4f}", flush=True)
        write_figures(arguments.out / "scores.csv", ("scan", "dice"), scores)
    else:
        pairs = select_split(find_pairs(arguments.data), arguments.split)
        evaluation = evaluate(read_scans(pairs), from_files(predictions))
        facts = [f"masks: {arguments.predictions}", f"truth: {arguments.data}"]
        write_evaluation(arguments.out, "Score", facts, evaluation)
        scores = evaluation.scores
    found = summarise(scores)
    print(f"mean Dice {found.mean:.4f}, worst {found.worst:.4f}; scores in {arguments.out}")
