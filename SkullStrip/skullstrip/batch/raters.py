"""How far two raters agree: what each exported on the report page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError
from .decisions import ACCEPT, ADVICE, REJECT, read_decisions

DECISIONS = (ACCEPT, REJECT)


def comparison(one: Path, other: Path) -> Iterator[str]:
    """Yield how far two files agree, and a line for each scan where they don't.

    Cohen's kappa is 1 where they agree on all and 0 where they do so as often as by chance. Raise
    InputError for a file that cannot be read, and where no scan is decided in both.
    """
    first, second = read_decisions(one), read_decisions(other)
    both = sorted(first.keys() & second.keys())
    if not both:
        raise InputError(f"No scan is decided in both {one} and {other}; {ADVICE}.")
    pairs = Counter((first[name], second[name]) for name in both)
    alike = sum(count for (left, right), count in pairs.items() if left == right)
    alone = len(first.keys() ^ second.keys())
    yield (
        f"Both decided {len(both)} scans, {alike} of them alike ({alike / len(both):.0%}); "
        f"{_kappa(pairs)}. One alone decided {alone}."
    )
    for name in both:
        if first[name] != second[name]:
            yield f"{name}: {first[name]} in {one}, {second[name]} in {other}"


def _kappa(pairs: Counter[tuple[str, str]]) -> str:
    total = pairs.total()
    agreed = sum(pairs[each, each] for each in DECISIONS) / total
    shares = [  # of each decision, with one rater and with the other
        [sum(count for pair, count in pairs.items() if pair[who] == each) / total for who in (0, 1)]
        for each in DECISIONS
    ]
    chance = sum(left * right for left, right in shares)
    if chance == 1:
        return "Cohen's kappa is not defined where all is decided alike"
    return f"Cohen's kappa {(agreed - chance) / (1 - chance):.2f}"
