"""Which scans and label maps the verdict and int8 are calibrated on, and what is made of each."""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from skullstrip.grid.volume import Volume

from ..augment.synthesis import LOOKS
from ..data.dataset import DATA_HELP, find_pairs, select_split
from ..data.pair import HELD_BACK_SPLIT, LABEL_MAP_SPLIT, Pair, read_pair
from ..evaluation.stress import UNTOUCHED, spoil
from ..evaluation.synthetic import SCANS, synthetic_scan

PER_SCAN = 2  # usual and hard perturbations of each; looks of a label map
USUAL = tuple(
    product(
        ("rotate", "bias", "noise", "thick_slices", "deface", "invert", "wrong_header", "enlarge",
         "shrink", "crop_top", "crop_front"),
        (0.67, 1.0),
    )
)  # fmt: skip
# Until the network fails, which it hardly does within the stress test's own range.
HARD = (
    *(("noise", strength) for strength in (1.3, 1.6, 1.8, 2.0)),
    *(("bias", strength) for strength in (1.5, 1.75, 2.0, 2.5)),
    ("invert", 0.5),
)


def add_scan_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `chosen_scans` and the weights are taken from."""
    parser.add_argument("data", type=Path, help=DATA_HELP)
    parser.add_argument(
        "--heads", type=Path, help="label maps that 'heads' wrote, to paint other contrasts from"
    )
    parser.add_argument("--weights", type=Path, help="manifest or its folder; default: bundled")


def chosen_scans(
    arguments: argparse.Namespace, scans: int, maps: int
) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Return so many training scans and label maps, all validation scans, and held-back maps."""
    pairs = find_pairs(arguments.data)
    train = choose_scans(select_split(pairs, "train"), scans)
    held_back: list[Pair] = []
    if arguments.heads:
        heads = find_pairs(arguments.heads)
        train += choose_maps(select_split(heads, LABEL_MAP_SPLIT), maps)
        held_back += select_split(heads, HELD_BACK_SPLIT)
    return train, [*select_split(pairs, "val")], held_back


def choose_scans(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """Return every scan of the small data sets, then a random sample of the largest one."""
    largest = Counter(pair.dataset for pair in pairs).most_common(1)[0][0]
    rest = [pair for pair in pairs if pair.dataset == largest]
    random.Random(1).shuffle(rest)
    return [*(pair for pair in pairs if pair.dataset != largest), *rest][:limit]


def choose_maps(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """Return a random sample of label maps, half of them infants' where there are enough."""
    shuffled = random.Random(1).sample(pairs, len(pairs))
    infants = [pair for pair in shuffled if pair.group("age_group") == "infant"]
    adults = [pair for pair in shuffled if pair not in infants]
    return [*infants[: limit // 2], *adults[: limit - limit // 2]]


def stress_of(pair: Pair) -> list[tuple[str, float]]:
    """Return what is made of a scan, always the same.

    As it came, two usual and two hard perturbations; of a label map two looks.
    """
    scan = pair.name
    if pair.split in (LABEL_MAP_SPLIT, HELD_BACK_SPLIT):
        looks = SCANS[pair.group("age_group") or "adult"]
        return random.Random(f"l{scan}").sample(looks, PER_SCAN)
    hard = random.Random(f"h{scan}").sample(HARD, PER_SCAN)
    usual = random.Random(f"e{scan}").sample(USUAL, PER_SCAN)
    return [(UNTOUCHED, 0.0), *hard, *usual]


def read_spoilt(pair: Pair, what: str, strength: float) -> tuple[Volume, np.ndarray]:
    """Return a scan, as it came or spoilt, and its mask; of a label map, one painted from it.

    Then `what` is the look, and `strength` the slice thickness in mm.
    """
    if what in LOOKS:
        return synthetic_scan(pair, what, strength)
    return spoil(*read_pair(pair), what, strength, pair.name)
