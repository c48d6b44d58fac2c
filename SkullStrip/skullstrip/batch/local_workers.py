"""Worker processes on this machine, each with one scan at a time, handed over through a pipe.

A pipe belongs to the two processes that it joins, so nobody else on the machine can reach a worker,
as they could through a socket; nothing listens. Workers are started as a command, not by
`multiprocessing`, and import nothing of the caller's script. A thread waits for each that works; of
a `ProcessPoolExecutor`, one process that is killed would end them all.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..errors import EngineError
from ..io.temporary import end_unwritten
from ..network.engines import available_threads

# Measured on 1 mm heads of 256 x 256 x 176 voxels, Python included.
WORKER_BYTES = 800e6
TRIES = 3  # workers that may die of one scan before it counts as failed, or at their start
POLL_SECONDS = 0.1
END_SECONDS = 5.0  # that a worker gets to remove its temporaries
_END = object()
_START = f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import serve; serve()"


class KilledWorker(Exception):
    """Every worker that tried an item died of it."""


def default_jobs() -> int:
    """Return how many workers fit here: one a processor, as far as memory reaches."""
    import psutil

    memory = min(psutil.virtual_memory().available, memory_limit())
    return max(1, min(available_threads(), int(memory // WORKER_BYTES)))


def memory_limit() -> int:
    """Return the bytes that all processes of this machine, or of this container, may take."""
    import psutil

    limits = [int(psutil.virtual_memory().total)]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # cgroups of version 2 and 1
        with suppress(OSError, ValueError):  # "max"
            limits.append(int(Path("/sys/fs/cgroup", name).read_text()))
    return min(limits)


def threads_each(jobs: int) -> int:
    """Return the threads of a worker's network where `jobs` share this machine."""
    return max(1, available_threads() // jobs)


def as_done(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    jobs: int,
    *,
    begun: Callable[[Any], object] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    quiet: bool = True,
) -> Iterator[list[tuple[Any, Any]]]:
    """Have worker processes call a function for each item, and give the answers as they come.

    Parameters
    ----------
    function : callable
        Can be pickled; gets an item.
    items : iterable
        Taken one by one, when a worker is free.
    jobs : int
        Workers at a time.
    begun : callable
        Gets each item that a worker begins.
    stop : callable
        Asked often; once it says True, items that were begun are finished and no others.
    quiet : bool
        Keep what workers say off stderr.

    Yields
    ------
    list of (item, answer)
        The answer is what the function returned or raised, or `KilledWorker`.

    Raises
    ------
    EngineError
        No worker starts.
    """
    workers = _Workers(function, jobs, quiet)
    running: dict[Future[Any], Any] = {}
    items = iter(items)
    pool = ThreadPoolExecutor(jobs)
    try:
        while True:
            while len(running) < jobs and not stop() and (item := next(items, _END)) is not _END:
                begun(item)
                running[pool.submit(workers.call, item)] = item
            if not running:
                return
            done, _ = wait(running, POLL_SECONDS, FIRST_COMPLETED)
            workers.end_oversized()
            for future in done:
                item = running.pop(future)
                try:
                    answer = future.result()
                except EngineError:  # those that did start go on
                    jobs -= 1
                    if not jobs:
                        raise
                    items = chain((item,), items)
                else:
                    yield [(item, answer)]
    finally:
        workers.end()
        pool.shutdown()


class _Workers:
    """The processes; `call` runs in a thread for each item, the rest in the caller's."""

    def __init__(self, function: Callable[[Any], Any], jobs: int, quiet: bool) -> None:
        self._function, self._quiet = function, quiet
        self._environment = os.environ | worker_environment(jobs)
        self._worker_bytes = memory_limit() // jobs
        self._all: deque[subprocess.Popen[bytes]] = deque()
        self._idle: deque[subprocess.Popen[bytes]] = deque()
        self._is_ending = False

    def call(self, item: Any) -> Any:
        """Return what the function returns or raises, or `KilledWorker`."""
        for _ in range(TRIES):
            try:
                process = self._idle.pop()
            except IndexError:
                process = self._start()
            with suppress(OSError, ValueError):  # it is gone, as reading will tell
                pickle.dump((self._function, item), process.stdin)  # type: ignore[arg-type]
                process.stdin.flush()  # type: ignore[union-attr]
            with suppress(Exception):  # whatever a process that dies leaves half-said
                answer = pickle.load(process.stdout)  # type: ignore[arg-type]  # noqa: S301
                self._idle.append(process)
                return answer
            process.kill()
            process.wait()
            self._all.remove(process)
        return KilledWorker()

    def _start(self) -> subprocess.Popen[bytes]:
        reason = ""
        for _ in range(0 if self._is_ending else TRIES):
            try:
                process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-c", _START, *sys.path],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL if self._quiet else None,
                    env=self._environment,
                )
            except OSError as error:  # no more processes, or no memory for them
                reason = str(error)
                continue
            self._all.append(process)
            if self._is_ending:
                process.kill()
            with suppress(Exception):
                pickle.load(process.stdout)  # type: ignore[arg-type]  # noqa: S301  (it is ready)
                return process
            process.kill()
            reason = f"exit status {process.wait()}"
            self._all.remove(process)
        raise EngineError(
            f"Worker processes end before they begin ({reason}), probably out of memory; "
            "SKULLSTRIP_DEBUG=1 shows what they say."
        )

    def end_oversized(self) -> None:
        """Kill workers that take more than their share of the memory."""
        import psutil

        for process in {*self._all} - {*self._idle}:
            with suppress(psutil.Error):
                if psutil.Process(process.pid).memory_info().rss > self._worker_bytes:
                    process.kill()

    def end(self) -> None:
        """End all workers; one that does not remove its temporaries in time is killed."""
        self._is_ending = True
        workers = [*self._all]
        for process in workers:
            with suppress(OSError, ValueError):
                process.stdin.close()  # type: ignore[union-attr]
        for process in workers:
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:  # noqa: PERF203
                process.kill()
                process.wait()


def worker_environment(jobs: int) -> dict[str, str]:
    """Return the variables that bound the threads of a worker's BLAS."""
    libraries = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(libraries, str(threads_each(jobs)))


def serve() -> None:
    """Be a worker: call functions that come in by stdin, and answer by stdout, until stdin ends.

    Signals are left to the workers. What libraries print goes where errors go.
    """
    from ..io.process import SIGNALS

    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    waiting: SimpleQueue[Any] = SimpleQueue()

    def listen() -> None:
        with suppress(EOFError, OSError):
            while True:
                waiting.put(pickle.load(calls))  # noqa: S301  (of the process that started this)
        end_unwritten(0)  # the coordinator is done, or gone

    threading.Thread(target=listen, daemon=True).start()
    said: Any = None  # that it is ready
    while True:
        answers.write(pickle.dumps(said))
        answers.flush()
        function, item = waiting.get()
        try:
            said = function(item)
        except Exception as error:  # noqa: BLE001  (the coordinator's to tell)
            said = error
