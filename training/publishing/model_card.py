"""The model card: a template filled from what was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from skullstrip.errors import InputError
from skullstrip.network.manifest import Manifest

from ..data.pair import Pair
from ..evaluation.scores import (
    ScanScore,
    group_table,
    markdown_table,
    number,
    scan_table,
    summary_table,
)

TEMPLATE = Path(__file__).parents[1] / "MODEL_CARD.md.in"
FAILURE_DICE = 0.965  # the project's gate for a single scan


def data_table(pairs: Sequence[Pair]) -> str:
    """Return scans a data set, licence and split; a licence that nobody stated is named so."""
    counts = Counter((pair.dataset, pair.licence, pair.split) for pair in pairs)
    rows = (
        [dataset or "(unnamed)", licence or "**not stated**", split or "(none)", str(count)]
        for (dataset, licence, split), count in sorted(counts.items())
    )
    return markdown_table(["data set", "licence as its source states it", "split", "scans"], rows)


def known_failures(scores: Sequence[ScanScore]) -> str:
    """Return the judged scans below the gate, worst first."""
    failed = sorted(
        (score for score in scores if score["dice"] < FAILURE_DICE), key=lambda s: s["dice"]
    )
    if not failed:
        return f"No judged scan has a Dice below {FAILURE_DICE}."
    return "\n".join(
        f"- {score.scan}: Dice {number(score['dice'], 4)}, HD95 {number(score['hd95_mm'], 1)} mm"
        + (f" ({score.failure})" if score.failure else "")
        for score in failed
    )


def fill_model_card(
    manifest: Manifest,
    pairs: Sequence[Pair],
    scores: Sequence[ScanScore],
    run: dict[str, Any],
    *,
    split: str = "val",
    stress: str = "",
    synthetic: str = "",
    notes: str = "",
) -> str:
    """Fill the template.

    `pairs` are all data, of every split, `scores` those of the released weights on the split that
    judges, `run` is what `provenance.describe_run` gave. `stress` and `synthetic`, reports of these
    commands, are empty where they were not run; `notes` are further known failures, in Markdown.
    Raise InputError where a report is of other weights, or the template names what is not filled.
    """
    for name, report in (("stress", stress), ("synthetic", synthetic)):
        if report and manifest.weights_sha256 not in report:
            raise InputError(
                f"The {name} test is of other weights; run it on those to be released."
            )
    trained = run.get("training_run") or run  # on another machine, perhaps
    facts = {"config": "", "seed": "", "steps": "", "initial_weights": "random weights"}
    values = {
        **{name: str(manifest.training.get(name, other)) for name, other in facts.items()},
        "name": manifest.name,
        "weights_sha256": manifest.weights_sha256,
        "commit": run["commit"],
        "created": run["created"],
        "spacing_mm": f"{manifest.preprocessing.spacing_mm:g}",
        "decoder_widths": ", ".join(map(str, manifest.architecture.decoder_widths)),
        "data": data_table(pairs),
        "split": split,
        "scan_count": str(len(scores)),
        "summary": summary_table(scores),
        "groups": group_table(scores),
        "scans": scan_table(scores),
        "known_failures": known_failures(scores),
        "notes": notes.strip() or "No further failures were noted.",
        "stress": _after_title(stress).strip() or "The stress test was not run for this release.",
        "synthetic": _tables_of(synthetic) or "That test was not run for this release.",
        "contrasts": _values_of("contrast", scores),
        "age_groups": _values_of("age group", scores),
    }
    for name in ("machine", "versions"):
        values[name] = ", ".join(f"{key} {value}" for key, value in trained[name].items())
    try:
        return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(values)
    except KeyError as error:
        raise InputError(f"{TEMPLATE.name} names {error}, which nothing fills.") from error


def _after_title(report: str) -> str:
    return report.partition("\n")[2]


def _tables_of(report: str) -> str:
    """Tables of a report of `evaluate`, under smaller headings, without its scan-by-scan list."""
    kept = _after_title(report.partition("## Scan by scan")[0])
    return kept.replace("\n## ", "\n### ").strip()


def _values_of(group: str, scores: Sequence[ScanScore]) -> str:
    return ", ".join(sorted({value for s in scores for key, value in s.groups if key == group}))
