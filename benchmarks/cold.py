"""A command in a process of its own, with a number of threads: what it takes."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from typing import NamedTuple

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
LOOK_S = 0.02


class Costs(NamedTuple):
    """What one run took; memory is what the process and its children held together, at most."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def run(command: list[str], threads: int) -> Costs:
    """Run a command without a GPU; raise subprocess.CalledProcessError where it fails."""
    environment = os.environ | dict.fromkeys(THREADS, str(threads)) | {"CUDA_VISIBLE_DEVICES": ""}
    before, start, peak = os.times(), time.perf_counter(), 0.0
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while True:
        try:
            process.wait(LOOK_S)
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, memory_mib(process.pid))
    wall, after = time.perf_counter() - start, os.times()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    before_s, after_s = (each.children_user + each.children_system for each in (before, after))
    return Costs(wall, after_s - before_s, peak)


def memory_mib(pid: int) -> float:
    """Memory of a process and its children; of several, pages they share count once."""
    import psutil

    with suppress(psutil.Error):  # one has just ended
        first = psutil.Process(pid)
        children = first.children(recursive=True)
        if not children:  # quicker to tell
            return float(first.memory_info().rss / 2**20)
        return float(sum(one.memory_full_info().pss for one in [first, *children]) / 2**20)
    return 0.0
