"""Reading the repository's own Markdown."""

import re


def fenced_blocks(markdown, language):
    """Contents of the fenced blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
