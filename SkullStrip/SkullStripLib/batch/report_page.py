"""The report page: one HTML file that shows every scan of a batch and takes decisions on them.

It loads nothing from a network. A Content-Security-Policy lets only its own script run, so that a
scan may be called anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .._version import __version__
from ..atomic import atomic_outputs
from ..errors import EngineError
from .outliers import FEWEST, THRESHOLD, volume_limits
from .thumbnails import thumbnail

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = (
    "core.js", "csv.js", "decisions.js", "filters.js", "histogram.js", "table.js", "viewer.js",
    "main.js",
)  # fmt: skip
TITLE = "Brain extraction"
TEXTS = (
    "name", "path", "subject", "session", "engine", "device", "border_mm", "csf", "views",
    "version", "brain_mask", "brain", "qc", "finished",
)  # fmt: skip
NUMBERS = ("volume_ml", "volume_error_ml", "dice_estimate", "dice_error", "seconds")
STATES = {"pass": "pass", "check": "check", "fail": "fail", "error": "not stripped", "none": "done"}
FIRST = ("fail", "error", "check", "none", "pass")  # the page's own order when it is opened
CHUNK = 50  # thumbnails that are decoded together
MOST_THUMBNAILS = 10_000  # more would make a page that no browser opens in a few seconds

Row = Mapping[str, object]


def write_report(rows: Iterable[Row], path: Path, title: str = TITLE) -> None:
    """Write the page; QC pictures are looked for beside it, at `path.parent / row["qc"]`.

    Parameters
    ----------
    rows : iterable of mapping
        With the columns of results.csv; numbers may be text, and missing values empty.
    path : Path
        Replaced atomically.
    title : str

    Raises
    ------
    EngineError
        Jinja2 is not installed.
    OutputError
        The page cannot be written.
    """
    content = render(sorted(rows, key=_place), path.parent, title)
    with atomic_outputs() as staged:
        staged(path).write_text(content, encoding="utf-8", newline="\n")


def render(rows: Sequence[Row], folder: Path, title: str = TITLE) -> str:
    """The page's HTML."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise EngineError(
            "The report page needs Jinja2; install it by: pip install 'skullstrip[batch]'"
        ) from error
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    style, script = _read("report.css"), _script()
    return environment.get_template(
        "report.html"
    ).render(
        title=title,
        summary=summary(rows),
        policy=_policy(style, script),
        style=Markup(style),  # ours, not a scan's  # noqa: S704
        script=Markup(script),  # noqa: S704
        data=Markup(_inert(page_data(rows))),  # noqa: S704
        thumbnails=list(_chunks(rows[:MOST_THUMBNAILS], folder)),
    )


def page_data(rows: Sequence[Row]) -> dict[str, Any]:
    """What the page's script works on: columns, and one list a scan."""
    columns = ["id", "state", "reasons", *TEXTS, *NUMBERS]
    limits = volume_limits(
        volume for row in rows if (volume := _number(row.get("volume_ml"))) is not None
    )
    return {
        "columns": columns,
        "rows": [_scan(row) for row in rows],
        "limits": limits and {"low": limits.low, "high": limits.high, "median": limits.median},
        "threshold": THRESHOLD,
        "fewest": FEWEST,
        "chunk": CHUNK,
    }


def summary(rows: Sequence[Row]) -> str:
    """One line: how many scans of each kind, when, by what."""
    states = [_state(row) for row in rows]
    counts = [
        f"{states.count(state):,} {word}" for state, word in STATES.items() if state in states
    ]
    made = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    noun = "scan" if len(rows) == 1 else "scans"
    parts = [f"{len(rows):,} {noun}", *counts, made, f"SkullStrip {__version__}"]
    return " · ".join(parts)


def _scan(row: Row) -> list[str | float | None]:
    notes = filter(None, (_text(row.get("reasons")), _text(row.get("message"))))
    start = [_identity(row), _state(row), " ".join(notes)]
    numbers = [_number(row.get(column)) for column in NUMBERS]
    return [*start, *(_text(row.get(column)) for column in TEXTS), *numbers]


def _identity(row: Row) -> str:
    """By scan and mask: a decision outlives a resumed batch, but not another mask."""
    parts = (_text(row.get(column)) for column in ("path", "name", "mask_sha256"))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _state(row: Row) -> str:
    if _text(row.get("status")) == "failed":
        return "error"
    verdict = _text(row.get("verdict"))
    return verdict if verdict in STATES else "none"


def _place(row: Row) -> int:
    """Scans to be looked at come first, so that what is seen first is also loaded first."""
    return FIRST.index(_state(row))


def _text(value: object) -> str:
    """As text; the lone surrogates of undecodable file names become a question mark."""
    text = "" if value is None else str(value)
    return text.encode("utf-8", "replace").decode("utf-8")


def _number(value: object) -> float | None:
    try:
        number = float(_text(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _chunks(rows: Sequence[Row], folder: Path) -> Iterator[str]:
    """Base64 of the thumbnails, one a line, in texts that the page reads when it needs them.

    The first of them comes before the page's script, the others after it.
    """
    for start in range(0, len(rows), CHUNK):
        yield "\n".join(_thumbnail_text(row, folder) for row in rows[start : start + CHUNK])


def _thumbnail_text(row: Row, folder: Path) -> str:
    qc = str(row.get("qc") or "")
    content = thumbnail(folder, qc) if qc else None
    return base64.b64encode(content).decode("ascii") if content else ""


def _inert(data: Mapping[str, Any]) -> str:
    """JSON that no name in it can end or reopen the script element of."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _script() -> str:
    parts = "\n".join(_read(name) for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    def source(text: str) -> str:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
        return f"'sha256-{digest}'"

    return (
        f"default-src 'none'; script-src {source(script)}; style-src {source(style)}; "
        "img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
    )
