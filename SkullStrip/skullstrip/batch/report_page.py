"""What is written about all scans of an output folder: a table, and a page that takes decisions.

The page is one HTML file that loads nothing from a network. A Content-Security-Policy lets only its
own script run, so that a scan may be called anything. A batch may have a hundred thousand scans:
rows are read one at a time, and what is kept of each is the text that the page gets.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from html import escape
from itertools import chain, islice
from pathlib import Path
from statistics import median
from string import Template
from typing import Any

from .._version import __version__
from ..errors import OutputError
from ..escaping import escaped
from ..figures.qc import read_thumbnail
from ..io.atomic import atomic_outputs
from .records import COLUMNS, CORRECTED, FAILED
from .tables import cell, write_rows

CSV_TABLE = "results.csv"
PAGE = "report.html"
RESULTS = (CSV_TABLE, PAGE)
UNLIKE = "unlike"  # a key of rows for the page, and no column of the table
TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = (
    "core.js", "decisions.js", "filters.js", "histogram.js", "table.js", "viewer.js", "main.js",
)  # fmt: skip
SCANS_HERE = "<!-- the scans and the script -->\n"
TEXTS = (
    "name", "path", "subject", "session", "engine", "device", "border_mm", "keep_csf", "views_used",
    "version", "brain_mask", "brain", "finished", "judged", UNLIKE, "applied_to",
)  # fmt: skip
ADDRESSES = ("qc", "qc_applied")
NUMBERS = ("volume_ml", "volume_error_ml", "dice_estimate", "dice_error", "seconds")
# What a scan is, in words, those to be looked at first: the page's own order when it is opened.
STATES = {
    "fail": "fail", "error": "not stripped", "check": "check", "none": "done",
    CORRECTED: "corrected", "pass": "pass",
}  # fmt: skip
COUNTED = ("pass", "check", "fail", "error", CORRECTED, "none")  # in this order
CHUNK = 50  # thumbnails that are decoded together
MOST_THUMBNAILS = 10_000  # more would make a page that no browser opens in a few seconds
# Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993: |modified z-score| > 3.5, which
# is in units of the standard deviation when most values are normally distributed.
THRESHOLD = 3.5
MAD_TO_SD = 1.4826
FEWEST = 8  # of fewer volumes the spread says nothing

Row = Mapping[str, Any]


def refuse_strangers(out: Path) -> None:
    """Raise OutputError for files called as ours, before the first batch in a folder."""
    if there := [name for name in RESULTS if (out / name).exists()]:
        raise OutputError(
            f"'{out / there[0]}' is there already, and no batch was run there; name another output "
            "folder, or use --overwrite."
        )


def write_results(rows: Callable[[], Iterable[Row]], out: Path) -> Path:
    """Write `results.csv` and `report.html`, whose path is returned.

    `rows` gives the rows anew each time, so that no list of them is kept. Where volumes of one
    person differ by more than their intervals explain, their rows say so.
    """
    compare = compared_volumes(rows())
    write_csv(map(compare, rows()), out)
    write_report(map(compare, rows()), out / PAGE)
    return out / PAGE


def write_csv(rows: Iterable[Row], out: Path) -> Path:
    """Write `results.csv` into the output folder, and return its path."""
    cells = ({name: cell(row[name]) for name in COLUMNS} for row in rows)
    write_rows(out / CSV_TABLE, COLUMNS, cells)
    return out / CSV_TABLE


def compared_volumes(rows: Iterable[Row]) -> Callable[[Row], Row]:
    """Return what adds to a row a sentence where another scan of the person is unlike this one.

    Volumes count that have an interval: those of masks as the network found them.
    """
    # Of each person the highest lower end and the lowest upper end in mL, each with its volume.
    highest: dict[str, tuple[float, str]] = {}
    lowest: dict[str, tuple[float, str]] = {}

    def interval(row: Row) -> tuple[float, float, str] | None:
        volume_ml, error_ml = row["volume_ml"], row["volume_error_ml"]
        if not row["subject"] or row["status"] == FAILED or None in (volume_ml, error_ml):
            return None
        return volume_ml - error_ml, volume_ml + error_ml, f"{volume_ml:.0f} ± {error_ml:.0f} mL"

    for row in rows:
        if found := interval(row):
            low, high, text = found
            highest[row["subject"]] = max(highest.get(row["subject"], (low, text)), (low, text))
            lowest[row["subject"]] = min(lowest.get(row["subject"], (high, text)), (high, text))

    def compared(row: Row) -> Row:
        found = interval(row)
        if not found:
            return row
        (low, large), (high, small) = highest[row["subject"]], lowest[row["subject"]]
        if found[0] <= high and found[1] >= low:
            return row
        note = (
            f"Volumes of this person differ by more than their intervals explain: {small} and "
            f"{large}; look at both outlines, and whether both are of one person."
        )
        return {**row, "message": " ".join(filter(None, (row["message"], note))), UNLIKE: UNLIKE}

    return compared


def write_report(rows: Iterable[Row], path: Path) -> None:
    """Write the page; QC pictures are looked for beside it, at `path.parent / row["qc"]`.

    Rows have the columns of results.csv; numbers may be text, and missing values empty.
    """
    with (
        atomic_outputs() as staged,
        staged(path).open("w", encoding="utf-8", newline="\n") as stream,
    ):
        stream.writelines(page(rows, path.parent))


def page(rows: Iterable[Row], folder: Path) -> Iterator[str]:
    """Yield the page's HTML, in pieces: the script comes after the first thumbnails."""
    scans: dict[str, list[str]] = {state: [] for state in STATES}
    pictures: dict[str, list[str]] = {state: [] for state in STATES}
    volumes_ml = array("d")
    for row in rows:
        state, volume_ml = state_of(row), number(row.get("volume_ml"))
        scans[state].append(_inert(_scan(row)))
        pictures[state].append(str(row.get("qc") or ""))
        if volume_ml is not None:
            volumes_ml.append(volume_ml)
    style = _read("report.css")
    script = f'"use strict";\n(() => {{\n{"".join(map(_read, SCRIPTS))}}})();\n'
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
    )
    html = Template(_read("report.html")).substitute(
        policy=policy, style=style, summary=escape(_summary(scans))
    )
    before, after = html.split(SCANS_HERE)
    yield before
    data = {
        "columns": ["id", "state", "reasons", *ADDRESSES, *TEXTS, *NUMBERS],
        "limits": volume_limits(volumes_ml),
        "threshold": THRESHOLD,
        "fewest": FEWEST,
        "chunk": CHUNK,
    }
    yield f'<script type="application/json" id="data">{_inert(data)[:-1]},"rows":['
    for place, scan in enumerate(chain.from_iterable(scans.values())):
        yield f",{scan}" if place else scan
    yield "]}</script>\n"
    thumbnails = _thumbnails(chain.from_iterable(pictures.values()), folder)
    yield next(thumbnails, "")
    yield f"<script>{script}</script>\n"
    yield from thumbnails
    yield after


def state_of(row: Row) -> str:
    """Return the state of a scan, a key of `STATES`."""
    status, verdict = _text(row.get("status")), _text(row.get("verdict"))
    known = {FAILED: "error", CORRECTED: CORRECTED}
    return known.get(status, verdict if verdict in STATES else "none")


def number(value: object) -> float | None:
    """Return a finite number, also of a text; None for anything else."""
    try:
        number = float(_text(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def volume_limits(volumes_ml: Iterable[float]) -> dict[str, float] | None:
    """Return "low" and "high", outside of which a volume in mL stands out, and the "median".

    They are made of the median and the median absolute deviation, which outliers hardly move. None
    for fewer than 8 volumes, or when most of them are the same.
    """
    volumes = [volume for volume in volumes_ml if math.isfinite(volume)]
    if len(volumes) < FEWEST:
        return None
    middle = median(volumes)
    most = THRESHOLD * MAD_TO_SD * median(abs(volume - middle) for volume in volumes)
    return {"low": middle - most, "high": middle + most, "median": middle} if most else None


def _summary(scans: dict[str, list[str]]) -> str:
    """One line: how many scans of each kind, when, by what."""
    kinds = [f"{len(scans[state]):,} {STATES[state]}" for state in COUNTED if scans[state]]
    total = sum(map(len, scans.values()))
    made = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    noun = "scan" if total == 1 else "scans"
    return " · ".join([f"{total:,} {noun}", *kinds, made, f"SkullStrip {__version__}"])


def _scan(row: Row) -> list[str | float | None]:
    # By scan and mask: a decision outlives a resumed batch, but not another mask.
    parts = (_text(row.get(column)) for column in ("path", "name", "mask_sha256"))
    identity = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    notes = filter(None, (_text(row.get("reasons")), _text(row.get("message"))))
    addresses = (str(row.get(column) or "") for column in ADDRESSES)
    texts = (_text(row.get(column)) for column in TEXTS)
    numbers = (number(row.get(column)) for column in NUMBERS)
    return [identity, state_of(row), " ".join(notes), *addresses, *texts, *numbers]


def _thumbnails(pictures: Iterable[str], folder: Path) -> Iterator[str]:
    """Base64 of the thumbnails, one a line, in elements that the page reads when it needs them."""
    pictures, number = islice(pictures, MOST_THUMBNAILS), 0
    while some := list(islice(pictures, CHUNK)):
        text = "\n".join(read_thumbnail(folder / name) if name else "" for name in some)
        yield f'<script type="text/plain" id="thumbnails-{number}">{text}</script>\n'
        number += 1


def _text(value: object) -> str:
    """As text in one line, as results.csv has it."""
    return "" if value is None else escaped(value)


def _inert(data: object) -> str:
    """JSON that no name in it can end or reopen the script element of."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return a text's hash as a Content-Security-Policy names it."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"
