"""BIDS: the files that are about a whole folder of derivatives.

The folder may be described already: by an earlier run and then by hand, with `Authors` for
example, or by another pipeline whose derivatives lie there too. What others wrote stays.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .._version import __version__
from ..errors import OutputError
from ..io.atomic import atomic_outputs
from ..io.limits import require_regular
from ..report import to_json

TEXT: Any = {"encoding": "utf-8", "errors": "surrogateescape"}  # bytes of others stay as they are
BIDS_VERSION = "1.8.0"
RAW = "raw"  # what DatasetLinks calls the data set that was stripped
TOOL = "SkullStrip"
DESCRIPTION = "dataset_description.json"
# What lies beside the derivatives and is no BIDS. "qc/" is a pattern that the validator overlooks.
IGNORED = (
    "qc", "results.csv", "report.html", "decisions.csv", "fmriprep_first-lex",
    "fmriprep_sessionwise",
)  # fmt: skip
READMES = ("README", "README.md", "README.rst", "README.txt")
README = f"""\
Brain masks by {TOOL}, made from the T1-weighted scans of the data set that DatasetLinks in
{DESCRIPTION} names.

*_desc-brain_mask.nii.gz      1 in the brain and 0 elsewhere, on the grid of the scan
*_desc-brain_T1w.nii.gz       the scan with everything but the brain set to zero
results.csv                   one row a scan: verdict, volume, times, versions, hashes
report.html, qc               a page to look through all masks, and its pictures
"""


def require_place(data_set: Path, out: Path) -> None:
    """Raise OutputError for derivatives among raw data, whose description they would change."""
    place = data_set / "derivatives" / "skullstrip"
    if data_set.resolve() == out.resolve():
        raise OutputError(f"The output folder is the data set itself; use '{place}'.")
    if (described := _read(out)) and described.get("DatasetType") != "derivative":
        raise OutputError(
            f'\'{out / DESCRIPTION}\' does not say "DatasetType": "derivative", so the folder '
            f"holds other data; use '{place}'."
        )


def write_dataset_files(data_set: Path, out: Path, readme: str = README) -> None:
    """Write `dataset_description.json`, `.bidsignore` and, where there is none, `README`."""
    ignored = out / ".bidsignore"  # our files come after the patterns that are there
    patterns = ignored.read_text(**TEXT).splitlines() if ignored.is_file() else []
    patterns += [name for name in IGNORED if name not in patterns]
    texts = {
        DESCRIPTION: to_json(_description(data_set, out)),
        ignored.name: "\n".join(patterns) + "\n",
    }
    if not any((out / name).exists() for name in READMES):
        texts["README"] = readme
    with atomic_outputs() as staged:
        for name, text in texts.items():
            staged(out / name).write_text(text, **TEXT)


def _description(data_set: Path, out: Path) -> dict[str, Any]:
    """Return what BIDS wants to know about the folder of derivatives, and what it says already."""
    there = _read(out)
    tools, links = there.get("GeneratedBy"), there.get("DatasetLinks")
    others = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    others = [tool for tool in others if tool.get("Name") != TOOL]
    return {
        "Name": "SkullStrip brain masks",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        **there,
        "GeneratedBy": [*others, {"Name": TOOL, "Version": __version__}],
        "DatasetLinks": (links if isinstance(links, dict) else {})
        | {RAW: _link(data_set.resolve(), out.resolve())},
    }


def _read(out: Path) -> dict[str, Any]:
    """Return the description that is there already; empty where there is none."""
    path = out / DESCRIPTION
    try:
        require_regular(path)
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise OutputError(f"'{path}' cannot be read ({error}); fix or remove it.") from error
    if not isinstance(found, dict):
        raise OutputError(f"'{path}' holds no JSON object; fix or remove it.")
    return found


def _link(data_set: Path, out: Path) -> str:
    """From the derivatives to the raw data, as a URI: relative, so that both may be moved."""
    try:
        return quote(Path(os.path.relpath(data_set, out)).as_posix())
    except ValueError:  # another drive of Windows
        return data_set.as_uri()
