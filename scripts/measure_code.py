"""Measure how far a reader has to go: files that one run enters, switches between them, options.

    python -m scripts.measure_code T1.nii.gz --views 1        # and other options of the command

`--package` and `--command` measure another checkout: run this file there by its path.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

# How each option is named: in the library, and in the Slicer module.
OPTIONS = {"border_mm": "borderMm", "keep_csf": "keepCsf", "reorient": "reorient", "views": "views"}


class Way:
    """Files of a package in the order in which a run enters them, in all threads.

    Parameters
    ----------
    package : Path
    """

    def __init__(self, package: Path) -> None:
        self.package = str(package)
        self.entered: Counter[str] = Counter()
        self.switches = 0
        self._last = threading.local()

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        """Take a call; `sys.settrace` gets this, which hears of the return, too."""
        name = frame.f_code.co_filename
        if not name.startswith(self.package):
            return None
        frame.f_trace_lines = False
        if event == "call" and frame.f_code.co_name != "<module>":
            self._go(name)
        elif event == "return" and frame.f_back and frame.f_code.co_name != "<module>":
            back = frame.f_back.f_code.co_filename
            if back.startswith(self.package):
                self._go(back)
        return self.trace

    def _go(self, name: str) -> None:
        self.entered[name] += 1
        if getattr(self._last, "name", None) != name:
            self.switches += 1
            self._last.name = name


def way_of_command(package: Path, command: str, words: list[str]) -> Way:
    """Run a command in this process and follow it."""
    way = Way(package)
    main = importlib.import_module(command).main
    threading.settrace(way.trace)
    sys.settrace(way.trace)
    try:
        main(words)
    finally:
        sys.settrace(None)
        threading.settrace(None)
    return way


def files_naming(folder: Path, names: tuple[str, ...]) -> list[str]:
    """Source files of a folder in which one of these names stands."""
    word = re.compile(rf"\b({'|'.join(names)})\b")
    files = (path for ending in ("*.py", "*.ui") for path in folder.rglob(ending))
    return sorted(p.name for p in files if word.search(p.read_text(encoding="utf-8")))


def main(argv: list[str] | None = None) -> int:
    """Print the measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path, help="is stripped; results go to a temporary folder")
    parser.add_argument("--package", type=Path, default=Path("SkullStrip/skullstrip"))
    parser.add_argument("--command", default="skullstrip.cli.main")
    arguments, more = parser.parse_known_args(argv)
    package = arguments.package.resolve()
    sys.path.insert(0, str(package.parent))
    with tempfile.TemporaryDirectory() as folder:
        words = [str(arguments.scan), "-m", f"{folder}/mask.nii.gz", "-o", f"{folder}/brain.nii.gz"]
        words += more
        way = way_of_command(package, arguments.command, words)
    print(f"Files entered by one run      {len(way.entered)}")
    print(f"Switches from file to file    {way.switches}")
    for option, other in OPTIONS.items():
        named = files_naming(package.parent, (option, other))
        print(f"Files that name {option:<13} {len(named)}: {', '.join(named)}")
    files = list(package.parent.rglob("*.py"))
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
    print(f"Files and lines of product    {len(files)}, {lines}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
