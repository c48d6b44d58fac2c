"""Release a training run: exported weights, manifest, model card and ``run.json``.

Refuses code that is not committed, and a model that does not beat the bundled one; one that is to
know more than the judged scans show may lose a little on them, if so much is said.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from string import Template
from typing import Any

from skullstrip.cli.common import options_of, view_choice
from skullstrip.errors import InputError
from skullstrip.io.atomic import atomic_outputs
from skullstrip.network.manifest import MANIFEST_NAME, Manifest
from skullstrip.network.predict import VIEWS
from skullstrip.options import DEVICES, Options
from skullstrip.quality.calibration import CALIBRATION_NAME

from ..data.dataset import DATA_HELP, find_pairs, select_split
from ..data.pair import Pair
from ..data.provenance import REPOSITORY, describe_run, refuse_dirty_tree
from ..evaluation.evaluate import Evaluation, by_pipeline, evaluate, read_scans, write_evaluation
from ..evaluation.scores import Score, markdown_table, number, summarise
from ..model.train import RUN_NAME, training_record
from .export import WEIGHTS_NAME, export_run, run_config, seal_calibration

JUDGED_BY = ("engine", "device", "views")
CARD_NAME = "MODEL_CARD.md"
TEMPLATE = Path(__file__).parents[1] / "MODEL_CARD.md.in"
FAILURE_DICE = 0.965  # the project's gate for a single scan
TEXTS = {  # of the card
    "stress": "report.md of 'stress' of these weights, for the card",
    "synthetic": "report.md of 'synthetic', for the card",
    "notes": "Markdown of further known failures",
}
RELEASED = (WEIGHTS_NAME, MANIFEST_NAME, CARD_NAME, RUN_NAME)


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
) -> float:
    """Export, judge, compare and put the release in place, all of it or nothing.

    `run` is the folder of the training run, which gets the evaluation, too; `pairs` are all data
    with their splits; `out` has the bundled weights. `current` are the weights to beat, none for a
    first release; the mean Dice may be `may_lose` below theirs. `options` say how both are run,
    `texts` are Markdown for the model card, see `fill_model_card`. Gives the mean Dice, to which
    failed scans contribute 0. Raise InputError where code is not committed, or the candidate is no
    better.
    """
    refuse_dirty_tree()
    judged = [pair for pair in select_split(pairs, split) if not pair.is_label_map]
    described = describe_run(asdict(run_config(run)), pairs)
    with tempfile.TemporaryDirectory() as folder:
        staging = Path(folder)
        manifest = export_run(run, staging, name)

        def judge(weights: Path) -> Evaluation:
            return evaluate(read_scans(judged), by_pipeline(replace(options, weights=weights)))

        found = judge(staging)
        facts = [f"weights: SHA-256 {manifest.weights_sha256}"]
        title = f"{manifest.name} on {split}"
        report = write_evaluation(run / "release", title, facts, found)
        mean_dice = summarise(found.scores).mean
        if current is not None:
            theirs = summarise(judge(current).scores).mean
            refuse_no_better(mean_dice, theirs, may_lose)
            described["current_mean_dice"] = theirs
        described |= {
            "split": split,
            "options": {key: str(options.to_json()[key]) for key in JUDGED_BY},
            "mean_dice": mean_dice,
            "training_run": training_record(run),
        }
        card = fill_model_card(manifest, pairs, found.scores, report, described, **texts)
        (staging / CARD_NAME).write_text(card, encoding="utf-8")
        (staging / RUN_NAME).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        if (out / CALIBRATION_NAME).is_file():  # of the weights before, until there is another
            shutil.copyfile(out / CALIBRATION_NAME, staging / CALIBRATION_NAME)
            seal_calibration(staging)
        with atomic_outputs() as staged:
            for each in RELEASED:
                staged(out / each).write_bytes((staging / each).read_bytes())
    return mean_dice


def refuse_no_better(new: float, old: float, may_lose: float = 0.0) -> None:
    """Raise InputError where a mean Dice is not above that of the release less `may_lose`."""
    if not new > old - may_lose:
        raise InputError(
            f"The candidate has a mean Dice of {new:.4f} and the current release {old:.4f}; "
            "only a better model is released, or one that loses no more than --may-lose."
        )


def fill_model_card(
    manifest: Manifest,
    pairs: Sequence[Pair],
    scores: Sequence[Score],
    report: str,
    run: dict[str, Any],
    *,
    stress: str = "",
    synthetic: str = "",
    notes: str = "",
) -> str:
    """Fill the model card's template from what was measured.

    `pairs` are all data, of every split, `scores` and `report` those of the released weights on the
    split that judges, `run` is what goes into ``run.json``. `stress` and `synthetic`, reports of
    these commands, are empty where they were not run; `notes` are further known failures.
    Raise InputError where a report is of other weights.
    """
    texts = {"stress": stress, "synthetic": synthetic}
    for name, text in texts.items():
        if text and manifest.weights_sha256 not in text:
            raise InputError(
                f"The {name} test is of other weights; run it on those to be released."
            )
        tables = _tables_of(text.partition("## Scan by scan")[0])
        texts[name] = tables or f"The {name} test was not run for this release."
    trained = run.get("training_run") or run  # on another machine, perhaps
    facts = {"config": "", "seed": "", "steps": "", "initial_weights": "random weights"}
    values = {
        **texts,
        **{name: str(manifest.training.get(name, other)) for name, other in facts.items()},
        "name": manifest.name,
        "weights_sha256": manifest.weights_sha256,
        **{name: run[name] for name in ("commit", "created", "split")},
        "spacing_mm": f"{manifest.preprocessing.spacing_mm:g}",
        "decoder_widths": ", ".join(map(str, manifest.architecture.decoder_widths)),
        "data": _data_table(pairs),
        "scan_count": str(len(scores)),
        "figures": _tables_of(report),
        "known_failures": _known_failures(scores),
        "notes": notes.strip() or "No further failures were noted.",
        "contrasts": ", ".join(sorted({score["contrast"] for score in scores})),
        "age_groups": ", ".join(sorted({score["age group"] for score in scores})),
    }
    for name in ("machine", "versions"):
        values[name] = ", ".join(f"{key} {value}" for key, value in trained[name].items())
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(values)


def _data_table(pairs: Sequence[Pair]) -> str:
    """Return scans a data set, licence and split; a licence that nobody stated is named so."""
    counts = Counter((pair.dataset, pair.licence, pair.split) for pair in pairs)
    rows = (
        [dataset or "(unnamed)", licence or "**not stated**", split or "(none)", str(count)]
        for (dataset, licence, split), count in sorted(counts.items())
    )
    return markdown_table(["data set", "licence as its source states it", "split", "scans"], rows)


def _known_failures(scores: Sequence[Score]) -> str:
    """Return the judged scans below the gate, worst first."""
    failed = [score for score in scores if score["dice"] < FAILURE_DICE]
    if not failed:
        return f"No judged scan has a Dice below {FAILURE_DICE}."
    return "\n".join(
        f"- {score['scan']}: Dice {score['dice']:.4f}, HD95 {number(score['hd95_mm'], 1)} mm"
        + (f" ({score['failure']})" if score["failure"] else "")
        for score in sorted(failed, key=lambda score: score["dice"])
    )


def _tables_of(report: str) -> str:
    """Tables of a report of `evaluate`, under smaller headings."""
    return report.partition("\n")[2].replace("\n## ", "\n### ").strip()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    bundled = REPOSITORY / "SkullStrip" / "Resources" / "Models"
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument("data", type=Path, nargs="+", help=DATA_HELP)
    parser.add_argument("--name", required=True, help="name of the model, as users will see it")
    parser.add_argument("--first", action="store_true", help="there is no release to beat yet")
    parser.add_argument("--current", type=Path, default=bundled, help="weights to beat; bundled")
    parser.add_argument(
        "--may-lose", type=float, default=0.0, metavar="DICE",
        help="how far the mean Dice may be below that of the weights to beat, for weights that are "
        "better on scans that are not judged here",
    )  # fmt: skip
    parser.add_argument("--split", default="val", help="split to judge on; default: val")
    for name, words in TEXTS.items():
        parser.add_argument(f"--{name}", type=text_of, default="", help=words)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--device", default="auto", choices=DEVICES)
    parser.add_argument("--views", type=view_choice, default="auto", choices=tuple(VIEWS))
    parser.add_argument("-o", "--out", type=Path, default=bundled)


def run(arguments: argparse.Namespace) -> None:
    mean_dice = release(
        arguments.run,
        find_pairs(*arguments.data),
        arguments.out,
        current=None if arguments.first else arguments.current,
        options=options_of(arguments, Options),
        **{name: getattr(arguments, name) for name in ("name", "split", "may_lose", *TEXTS)},
    )
    print(f"released {arguments.name} to {arguments.out}: mean Dice {mean_dice:.4f}")


def text_of(path: str) -> str:
    """Read a file that is named on the command line; empty where none is."""
    try:
        return Path(path).read_text(encoding="utf-8") if path else ""
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read ({error.strerror})") from error
