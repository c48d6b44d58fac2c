"""Where a run's time and memory go, told to stderr stage by stage: `--profile`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

from ..shown import say

Progress = Callable[[str, int, int], None]


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
    say(f"{'stage':<10}{'wall s':>8}{'CPU s':>8}{'peak MiB':>10}", sys.stderr)
    for (stage, wall, cpu, _), (_, wall_after, cpu_after, peak) in pairwise(marks):
        line = f"{stage:<10}{wall_after - wall:8.2f}{cpu_after - cpu:8.2f}{peak:10.0f}"
        say(line, sys.stderr)


def _peak_mib() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
