"""Texts from files and their names, made safe for a terminal, a log and a table."""

from __future__ import annotations

import sys
import unicodedata
from typing import TextIO

# Controls, marks that turn the writing direction, lone surrogates, line and paragraph separators.
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def escaped(text: object) -> str:
    r"""Return a text in one line that moves no cursor: an escape character becomes ``\x1b``."""
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in UNSEEN else c
        for c in str(text)
    )


def print_escaped(text: object, stream: TextIO | None = None) -> None:
    """Print a line to stdout or another stream, safely."""
    print(escaped(text), file=stream or sys.stdout)
