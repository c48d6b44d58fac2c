"""Reading the repository's own Markdown."""

from __future__ import annotations

import re


def fenced_blocks(markdown: str, language: str) -> list[str]:
    """Contents of the fenced blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
