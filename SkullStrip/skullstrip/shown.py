"""Texts from files and their names, made safe for a terminal, a log and a spreadsheet."""

from __future__ import annotations

import sys
import unicodedata
from typing import TextIO

# Controls, marks that turn the writing direction, lone surrogates, line and paragraph separators.
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
FORMULA = ("=", "+", "-", "@")  # what a spreadsheet would work out


def shown(text: object) -> str:
    r"""Return a text in one line that moves no cursor: an escape character becomes ``\x1b``."""
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in UNSEEN else c
        for c in str(text)
    )


def say(text: object, stream: TextIO | None = None) -> None:
    """Print a line to stdout or another stream, safely."""
    print(shown(text), file=stream or sys.stdout)


def cell(value: object) -> object:
    """Return what a table gets: numbers as they are, texts safe and never a formula."""
    if not isinstance(value, str):
        return value
    text = shown(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def from_cell(text: str) -> str:
    """Return a text without the apostrophe that `cell` may have put before it."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(FORMULA) else text
