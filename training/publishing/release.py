"""Release a training run: exported weights, manifest, model card and ``run.json``.

Refuses code that is not committed, and a model that does not beat the bundled one; one that is to
know more than the judged scans show may lose a little on them, if so much is said.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from skullstrip.cli.common import view_choice
from skullstrip.errors import InputError
from skullstrip.io.atomic import atomic_outputs
from skullstrip.network.manifest import MANIFEST_NAME
from skullstrip.network.predict import VIEWS
from skullstrip.options import Options
from skullstrip.quality.calibration import CALIBRATION_NAME

from ..data.dataset import find_pairs, select_split
from ..data.pair import Pair
from ..data.provenance import REPOSITORY, describe_run, refuse_dirty_tree
from ..evaluation.evaluate import (
    WorstCases,
    by_pipeline,
    evaluate,
    read_scans,
    write_evaluation,
)
from ..evaluation.scores import FIGURES, ScanScore, summarise
from ..model.train import RUN_NAME, training_record
from .export import WEIGHTS_NAME, export_run, run_config, seal_calibration
from .model_card import fill_model_card

JUDGED_BY = ("engine", "device", "views")
CARD_NAME = "MODEL_CARD.md"
RELEASED = (WEIGHTS_NAME, MANIFEST_NAME, CARD_NAME, RUN_NAME)


def mean_dice(scores: Sequence[ScanScore]) -> float:
    """Return the mean Dice; failed scans count with 0."""
    return summarise(scores, FIGURES[0]).mean


def refuse_no_better(
    candidate: Sequence[ScanScore], current: Sequence[ScanScore], may_lose: float = 0.0
) -> None:
    """Raise InputError where the candidate's mean Dice is not above the current less `may_lose`."""
    new, old = mean_dice(candidate), mean_dice(current)
    if not new > old - may_lose:
        raise InputError(
            f"The candidate has a mean Dice of {new:.4f} and the current release {old:.4f}; "
            "only a better model is released, or one that loses no more than --may-lose."
        )


def release(
    run: Path,
    pairs: tuple[Pair, ...],
    out: Path,
    *,
    name: str,
    current: Path | None,
    split: str = "val",
    may_lose: float = 0.0,
    options: Options = Options(),
    **texts: str,
) -> list[ScanScore]:
    """Export, judge, compare and put the release in place, all of it or nothing.

    Parameters
    ----------
    run : Path
        Folder of the training run; gets the evaluation too, under ``release/``.
    pairs : tuple of Pair
        All data with their splits.
    out : Path
        Folder of the bundled weights.
    current : Path or None
        Weights to beat; None for a first release.
    may_lose : float
        How far the mean Dice may be below theirs.
    options : Options
        How both models are run; the weights are theirs.
    **texts
        Markdown for the model card; see `fill_model_card`.

    Returns
    -------
    list of ScanScore
        The candidate's scores.

    Raises
    ------
    InputError
        Code is not committed, or the candidate is no better.
    """
    refuse_dirty_tree()
    judged = [pair for pair in select_split(pairs, split) if not pair.is_label_map]
    described = describe_run(asdict(run_config(run)), pairs)
    with tempfile.TemporaryDirectory() as folder:
        staging, worst = Path(folder), WorstCases()
        manifest = export_run(run, staging, name)
        find = by_pipeline(replace(options, weights=staging))
        scores = evaluate(read_scans(judged), find, worst)
        if current is not None:
            find = by_pipeline(replace(options, weights=current))
            theirs = evaluate(read_scans(judged), find)
            refuse_no_better(scores, theirs, may_lose)
            described["current_mean_dice"] = mean_dice(theirs)
        described |= {
            "split": split,
            "options": {key: str(options.to_json()[key]) for key in JUDGED_BY},
            "mean_dice": mean_dice(scores),
            "training_run": training_record(run),
        }
        card = fill_model_card(manifest, pairs, scores, described, split=split, **texts)
        (staging / CARD_NAME).write_text(card, encoding="utf-8")
        (staging / RUN_NAME).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        _put_in_place(staging, out)
    facts = [f"weights: SHA-256 {manifest.weights_sha256}"]
    write_evaluation(run / "release", f"{manifest.name} on {split}", facts, scores, worst)
    return scores


def _put_in_place(staging: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if (out / CALIBRATION_NAME).is_file():  # of the weights before, until `quality` makes another
        shutil.copyfile(out / CALIBRATION_NAME, staging / CALIBRATION_NAME)
        seal_calibration(staging)
    with atomic_outputs() as staged:
        for name in RELEASED:
            staged(out / name).write_bytes((staging / name).read_bytes())


def main(argv: list[str] | None = None) -> int:
    """Release a training run."""
    bundled = REPOSITORY / "SkullStrip" / "Resources" / "Models"
    parser = argparse.ArgumentParser("python -m training release", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument(
        "data", type=Path, nargs="+", help="data sets: folders, BIDS or CSV manifests"
    )
    parser.add_argument("--name", required=True, help="name of the model, as users will see it")
    parser.add_argument("--first", action="store_true", help="there is no release to beat yet")
    parser.add_argument("--current", type=Path, default=bundled, help="weights to beat; bundled")
    parser.add_argument(
        "--may-lose", type=float, default=0.0, metavar="DICE",
        help="how far the mean Dice may be below that of the weights to beat, for weights that are "
        "better on scans that are not judged here",
    )  # fmt: skip
    parser.add_argument("--split", default="val", help="split to judge on; default: val")
    for name, words in (
        ("stress", "stress.md of these weights, for the card"),
        ("synthetic", "report.md of 'synthetic', for the card"),
        ("notes", "Markdown of further known failures"),
    ):
        parser.add_argument(f"--{name}", type=text_of, default="", help=words)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "gpu"))
    parser.add_argument("--views", type=view_choice, default="auto", choices=tuple(VIEWS))
    parser.add_argument("-o", "--out", type=Path, default=bundled)
    arguments = parser.parse_args(argv)
    scores = release(
        arguments.run,
        find_pairs(*arguments.data),
        arguments.out,
        name=arguments.name,
        current=None if arguments.first else arguments.current,
        split=arguments.split,
        may_lose=arguments.may_lose,
        options=Options(**{name: getattr(arguments, name) for name in JUDGED_BY}),
        stress=arguments.stress,
        synthetic=arguments.synthetic,
        notes=arguments.notes,
    )
    print(f"released {arguments.name} to {arguments.out}: mean Dice {mean_dice(scores):.4f}")
    return 0


def text_of(path: str) -> str:
    """Read a file that is named on the command line; empty where none is."""
    try:
        return Path(path).read_text(encoding="utf-8") if path else ""
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read ({error.strerror})") from error
