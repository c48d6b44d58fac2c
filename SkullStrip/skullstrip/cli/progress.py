"""How runs are watched: bars on a terminal, lines where nobody looks, and where the time went."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from itertools import pairwise
from typing import Any

from ..escaping import print_escaped

Progress = Callable[[str, int, int], None]
OnEvent = Callable[[dict[str, Any]], None]  # of a batch; `batch.run` lists its events
LOG_SECONDS = 300.0  # between two lines of a log
ANSWERED = ("done", "corrected", "failed")  # what a scan is once a worker is through with it
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
def terminal_progress(quiet: bool = False) -> Iterator[Progress]:
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

    with bar:
        yield show


@contextmanager
def profiled(progress: Progress) -> Iterator[Progress]:
    """Give a `progress` callback that takes the time of each stage, and print them all at the end.

    CPU seconds are of all threads; the first row's are those since Python began. The network is
    loaded beside the stages before "load". Memory is the most that was taken until the stage ended.
    """
    marks = [("start", time.perf_counter(), 0.0, 0.0)]

    def mark(stage: str) -> None:
        marks.append((stage, time.perf_counter(), time.process_time(), _peak_mib()))

    def note(stage: str, done: int, total: int) -> None:
        if stage != marks[-1][0]:
            mark(stage)
        progress(stage, done, total)

    yield note
    mark("")
    print_escaped(f"{'stage':<10}{'wall s':>8}{'CPU s':>8}{'peak MiB':>10}", sys.stderr)
    for (stage, wall, cpu, _), (_, wall_after, cpu_after, peak) in pairwise(marks):
        line = f"{stage:<10}{wall_after - wall:8.2f}{cpu_after - cpu:8.2f}{peak:10.0f}"
        print_escaped(line, sys.stderr)


def _peak_mib() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def batch_progress(wanted: str) -> AbstractContextManager[OnEvent]:
    """Give what shows a batch's events: "bar", "json", "none", or "auto", what fits stderr."""
    if wanted == "bar" or (wanted == "auto" and sys.stderr.isatty()):
        return _bar()
    shown = {"json": lambda event: print(json.dumps(event), flush=True), "auto": _log()}
    return nullcontext(shown.get(wanted, lambda _: None))


def _log() -> OnEvent:
    """Lines on stderr where nobody watches: scans that fail, and now and then how far it is."""
    said = time.monotonic()

    def on_event(event: dict[str, Any]) -> None:
        nonlocal said
        _say_failure(event)
        if event.get("status") in ANSWERED and time.monotonic() - said > LOG_SECONDS:
            said = time.monotonic()
            left = timedelta(seconds=round(event["seconds_left"]))
            far = f"{event['done']} of {event['total']} scans"
            print(f"skullstrip: {far}, {left} left", file=sys.stderr, flush=True)

    return on_event


@contextmanager
def _bar() -> Iterator[OnEvent]:
    """Draw a bar with the time left on stderr, and tell above it which scans fail."""
    from tqdm import tqdm

    line: Any = tqdm(total=0, unit="scan", leave=False)

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "start":
            line.reset(total=event["total"])
            line.initial = line.n = event["total"] - event["todo"]
            line.set_description(f"{event['jobs']} at a time")
        elif event.get("status") in ANSWERED:
            with line.external_write_mode(file=sys.stderr):
                _say_failure(event)
            line.update()

    with line:
        yield on_event


def _say_failure(event: dict[str, Any]) -> None:
    if event.get("status") == "failed":
        print_escaped(f"skullstrip: {event['name']}: {event['message']}", sys.stderr)
