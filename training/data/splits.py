"""Split a data set by subject, seeded and listed in a file, so that no person is on two sides."""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from skullstrip.batch.tables import write_rows
from skullstrip.errors import InputError

from .dataset import DATA_HELP, find_pairs, write_manifest
from .pair import Pair


def split_subjects(
    subjects: Iterable[str], fractions: Mapping[str, float], seed: int = 0
) -> dict[str, str]:
    """Give each subject a split.

    Subjects are ranked by a hash of seed and name: the same on every machine and version of
    numpy, independent of the order of files, and nearly unchanged when subjects are added.
    """
    ranked = sorted(
        set(subjects), key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest()
    )
    splits: dict[str, str] = {}
    start, reached = 0, 0.0
    for split, fraction in fractions.items():
        reached += fraction
        end = round(reached * len(ranked))
        splits.update(dict.fromkeys(ranked[start:end], split))
        start = end
    return splits


def split_pairs(
    pairs: Iterable[Pair], fractions: Mapping[str, float], seed: int = 0
) -> dict[str, str]:
    """Split the subjects of every data set apart, so that each split has a share of each set.

    Raise InputError for fractions that do not add up to 1.
    """
    if any(not part > 0 for part in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-6:
        raise InputError(f"The fractions {dict(fractions)} must be positive and add up to 1.")
    by_dataset: dict[str, set[str]] = {}
    for pair in pairs:
        by_dataset.setdefault(pair.dataset, set()).add(pair.subject)
    splits: dict[str, str] = {}
    for _, subjects in sorted(by_dataset.items()):
        # A person in two sets keeps one side.
        splits |= split_subjects(subjects - splits.keys(), fractions, seed)
    return dict(sorted(splits.items()))


def _fractions(text: str) -> dict[str, float]:
    parts = (part.partition("=") for part in text.split(","))
    try:
        return {name.strip(): float(value) for name, _, value in parts}
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FRACTION,...") from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    usual = "train=0.8,val=0.1,test=0.1"
    parser.add_argument("data", type=Path, help=f"{DATA_HELP}, or a batch's output folder")
    parser.add_argument("--scans", type=Path, help="where the batch's scans were moved to")
    parser.add_argument(
        "--accepted",
        action="store_true",
        help="of a batch's output, masks accepted on its page besides those corrected by hand",
    )
    parser.add_argument("-o", "--out", type=Path, default=Path("splits.csv"))
    parser.add_argument("--manifest", type=Path, help="write a data set with these splits too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--fractions", type=_fractions, default=usual, metavar="NAME=FRACTION,...",
        help=f"default: {usual}",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Split and list the result."""
    pairs = find_pairs(arguments.data, scans=arguments.scans, accepted=arguments.accepted)
    splits = split_pairs(pairs, arguments.fractions, arguments.seed)
    rows = ({"subject": subject, "split": split} for subject, split in splits.items())
    write_rows(arguments.out, ("subject", "split"), rows)
    if arguments.manifest is not None:
        split = [replace(pair, split=splits[pair.subject]) for pair in pairs]
        write_manifest(arguments.manifest, split)
    counts = Counter(splits.values())
    print(f"{arguments.out}: {', '.join(f'{counts[n]} {n}' for n in arguments.fractions)}")
