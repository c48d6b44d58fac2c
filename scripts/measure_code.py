"""Measure how far a reader has to go: files that one run enters, switches between them, options.

python -m scripts.measure_code T1.nii.gz --views 1        # and other options of the command
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import skullstrip as library
from skullstrip.cli.main import main as skullstrip

PACKAGE = Path(library.__file__).parent
# How each option is named: in the library, and in the Slicer module.
OPTIONS = {"border_mm": "borderMm", "keep_csf": "keepCsf", "reorient": "reorient", "views": "views"}


class Way:
    """Files of the library in the order in which a run enters them, in all threads."""

    def __init__(self) -> None:
        self.entered: Counter[str] = Counter()
        self.switches = 0
        self._last = threading.local()

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        """Take a call; `sys.settrace` gets this, which hears of the return, too."""
        frame.f_trace_lines = False
        name = frame.f_code.co_filename
        if not name.startswith(str(PACKAGE)):
            return None
        if event == "return" and frame.f_back:
            name = frame.f_back.f_code.co_filename
        if frame.f_code.co_name != "<module>" and name.startswith(str(PACKAGE)):
            self.entered[name] += 1
            self.switches += getattr(self._last, "name", None) != name
            self._last.name = name
        return self.trace


def files_naming(names: tuple[str, ...]) -> list[str]:
    """Source files of the product in which one of these names stands."""
    word = re.compile(rf"\b({'|'.join(names)})\b")
    files = (path for ending in ("*.py", "*.ui") for path in PACKAGE.parent.rglob(ending))
    return sorted(p.name for p in files if word.search(p.read_text(encoding="utf-8")))


def main() -> int:
    """Print the measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", help="is stripped; results go to a temporary folder")
    arguments, more = parser.parse_known_args()
    way = Way()
    with tempfile.TemporaryDirectory() as folder:
        outputs = ["-m", f"{folder}/mask.nii.gz", "-o", f"{folder}/brain.nii.gz"]
        threading.settrace(way.trace)
        sys.settrace(way.trace)
        skullstrip([arguments.scan, *outputs, *more])
        sys.settrace(None)
    print(f"Files entered by one run      {len(way.entered)}")
    print(f"Switches from file to file    {way.switches}")
    for option, other in OPTIONS.items():
        named = files_naming((option, other))
        print(f"Files that name {option:<13} {len(named)}: {', '.join(named)}")
    files = list(PACKAGE.parent.rglob("*.py"))
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
    print(f"Files and lines of product    {len(files)}, {lines}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
