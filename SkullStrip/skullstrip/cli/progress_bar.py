"""A progress bar on a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_WORDS = {
    "read": "Reading the scan",
    "check": "Checking the scan",
    "load": "Loading the network",
    "prepare": "Preparing the scan",
    "predict": "Finding the brain",
    "restore": "Returning to the scan's grid",
    "judge": "Judging the mask",
    "mask": "Drawing the mask",
    "register": "Aligning the scans",
    "write": "Writing",
}


@contextmanager
def terminal_progress(quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Give a `progress` callback that draws a bar on stderr, if somebody would see it."""
    if quiet or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from tqdm import tqdm

    bar: Any = tqdm(total=0, leave=False, bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}")

    def show(stage: str, done: int, total: int) -> None:
        words = _WORDS.get(stage, stage)
        if bar.desc != words:
            bar.reset(total=total)
            bar.set_description_str(words, refresh=False)
        bar.total, bar.n = max(total, 1), done
        bar.refresh()

    try:
        yield show
    finally:
        bar.close()
