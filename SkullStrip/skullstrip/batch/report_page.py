"""The report page: one HTML file that shows every scan of a batch and takes decisions on them.

It loads nothing from a network. A Content-Security-Policy lets only its own script run, so that a
scan may be called anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from ..errors import EngineError
from ..figures.qc import read_thumbnail
from ..io.atomic import atomic_outputs
from .report_data import CHUNK, ReportData, Row

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = (
    "core.js", "csv.js", "decisions.js", "filters.js", "histogram.js", "table.js", "viewer.js",
    "main.js",
)  # fmt: skip
TITLE = "Brain extraction"
MOST_THUMBNAILS = 10_000  # more would make a page that no browser opens in a few seconds


def write_report(rows: Iterable[Row], path: Path, title: str = TITLE) -> None:
    """Write the page; QC pictures are looked for beside it, at `path.parent / row["qc"]`.

    Rows have the columns of results.csv; numbers may be text, and missing values empty. Raise
    EngineError where Jinja2 is not installed.
    """
    with (
        atomic_outputs() as staged,
        staged(path).open("w", encoding="utf-8", newline="\n") as stream,
    ):
        stream.writelines(page(rows, path.parent, title))


def page(rows: Iterable[Row], folder: Path, title: str = TITLE) -> Iterator[str]:
    """Yield the page's HTML, in pieces."""
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
    data, style, script = ReportData(rows), _read("report.css"), _script()
    return environment.get_template("report.html").generate(
        title=title,
        summary=data.summary(),
        policy=_policy(style, script),
        style=Markup(style),  # ours, not a scan's  # noqa: S704
        script=Markup(script),  # noqa: S704
        data=map(Markup, data.json()),
        thumbnails=_chunks(islice(data.pictures(), MOST_THUMBNAILS), folder),
    )


def _chunks(pictures: Iterator[str], folder: Path) -> Iterator[str]:
    """Base64 of the thumbnails, one a line, in texts that the page reads when it needs them.

    The first of them comes before the page's script, the others after it.
    """
    while some := list(islice(pictures, CHUNK)):
        yield "\n".join(read_thumbnail(folder / name) if name else "" for name in some)


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
