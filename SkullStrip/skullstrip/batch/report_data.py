"""What the report page's script works on: all scans of a batch, as JSON.

A batch may have a hundred thousand scans. Each row is read once, and what is kept of it is the text
that the page gets.
"""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from itertools import chain
from typing import NamedTuple

import numpy as np

from .._version import __version__
from .columns import CORRECTED, FAILED

TEXTS = (
    "name", "path", "subject", "session", "engine", "device", "border_mm", "csf", "views_used",
    "version", "brain_mask", "brain", "qc", "qc_applied", "finished", "judged", "unlike",
    "applied_to",
)  # fmt: skip
NUMBERS = ("volume_ml", "volume_error_ml", "dice_estimate", "dice_error", "seconds")
STATES = {
    "pass": "pass", "check": "check", "fail": "fail", "error": "not stripped",
    "corrected": "corrected", "none": "done",
}  # fmt: skip
# The page's own order when it is opened.
FIRST = ("fail", "error", "check", "none", "corrected", "pass")
CHUNK = 50  # thumbnails that are decoded together
# Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993: |modified z-score| > 3.5, which
# is in units of the standard deviation when most values are normally distributed.
THRESHOLD = 3.5
MAD_TO_SD = 1.4826
FEWEST = 8  # of fewer volumes the spread says nothing

Row = Mapping[str, object]


class ReportData:
    """The scans of a page; those to be looked at come first, so that they are also loaded first.

    Parameters
    ----------
    rows : iterable of mapping
        With the columns of results.csv; numbers may be text, and missing values empty.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._scans: dict[str, list[str]] = {state: [] for state in FIRST}
        self._pictures: dict[str, list[str]] = {state: [] for state in FIRST}
        self._volumes_ml = array("d")
        for row in rows:
            state, volume_ml = state_of(row), number(row.get("volume_ml"))
            self._scans[state].append(_inert(_scan(row)))
            self._pictures[state].append(str(row.get("qc") or ""))
            if volume_ml is not None:
                self._volumes_ml.append(volume_ml)

    def summary(self) -> str:
        """One line: how many scans of each kind, when, by what."""
        counts = {state: len(scans) for state, scans in self._scans.items()}
        total = sum(counts.values())
        kinds = [f"{counts[state]:,} {word}" for state, word in STATES.items() if counts[state]]
        made = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        noun = "scan" if total == 1 else "scans"
        return " · ".join([f"{total:,} {noun}", *kinds, made, f"SkullStrip {__version__}"])

    def pictures(self) -> Iterator[str]:
        """Return paths of the QC pictures in the order of the scans; empty where there is none."""
        return chain.from_iterable(self._pictures.values())

    def json(self) -> Iterator[str]:
        """Yield the text, in pieces: columns, limits of the volumes, and one list a scan."""
        limits = volume_limits(self._volumes_ml)
        head = {
            "columns": ["id", "state", "reasons", *TEXTS, *NUMBERS],
            "limits": limits and {"low": limits.low, "high": limits.high, "median": limits.median},
            "threshold": THRESHOLD,
            "fewest": FEWEST,
            "chunk": CHUNK,
        }
        yield f'{_inert(head)[:-1]},"rows":['
        for number, scan in enumerate(chain.from_iterable(self._scans.values())):
            yield f",{scan}" if number else scan
        yield "]}"


class Limits(NamedTuple):
    """Volumes in mL outside of which a scan stands out, and what they were made from."""

    low: float
    high: float
    median: float


def volume_limits(volumes_ml: Iterable[float]) -> Limits | None:
    """Limits by the median and the median absolute deviation, which outliers hardly move.

    None for fewer than 8 volumes, or when most of them are the same.
    """
    volumes = np.array([volume for volume in volumes_ml if np.isfinite(volume)], dtype=float)
    if len(volumes) < FEWEST:
        return None
    median = float(np.median(volumes))
    spread = MAD_TO_SD * float(np.median(np.abs(volumes - median)))
    if spread == 0:
        return None
    return Limits(median - THRESHOLD * spread, median + THRESHOLD * spread, median)


def _scan(row: Row) -> list[str | float | None]:
    notes = filter(None, (_text(row.get("reasons")), _text(row.get("message"))))
    start = [_identity(row), state_of(row), " ".join(notes)]
    numbers = [number(row.get(column)) for column in NUMBERS]
    return [*start, *(_text(row.get(column)) for column in TEXTS), *numbers]


def _identity(row: Row) -> str:
    """By scan and mask: a decision outlives a resumed batch, but not another mask."""
    parts = (_text(row.get(column)) for column in ("path", "name", "mask_sha256"))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def state_of(row: Row) -> str:
    """Return the state of a scan, a key of `STATES`."""
    if _text(row.get("status")) == FAILED:
        return "error"
    if _text(row.get("status")) == CORRECTED:
        return CORRECTED
    verdict = _text(row.get("verdict"))
    return verdict if verdict in STATES else "none"


def _text(value: object) -> str:
    """As text; the lone surrogates of undecodable file names become a question mark."""
    text = "" if value is None else str(value)
    return text.encode("utf-8", "replace").decode("utf-8")


def number(value: object) -> float | None:
    """Return a finite number, also of a text; None for anything else."""
    try:
        number = float(_text(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _inert(data: object) -> str:
    """JSON that no name in it can end or reopen the script element of."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
