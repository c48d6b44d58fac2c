"""Worker processes on this machine, each with one scan at a time, handed over through a pipe.

A pipe belongs to the two processes that it joins, so nobody else on the machine can reach a worker,
as they could through a socket; nothing listens. Workers are started as a command, and import
nothing of the caller's script, as `multiprocessing` and the pools built on it do. A thread waits
for each that works; of a `ProcessPoolExecutor` or loky, one process that is killed ends them all.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..errors import EngineError
from ..io.atomic import end_unwritten
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
) -> Iterator[tuple[Any, Any]]:
    """Have `jobs` worker processes call a function for each item; give the answers as they come.

    Function and items can be pickled. Items are taken one by one, when a worker is free, and
    `begun` gets each. `stop` is asked often; once it says True, items that were begun are finished
    and no others. `quiet` keeps what workers say off stderr.

    Yields (item, answer): what the function returned or raised, or `KilledWorker`. Raises
    EngineError where no worker starts.
    """
    threads = str(threads_each(jobs))
    variables = {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": "1",
    }
    environment = os.environ | variables
    workers = [_Worker(function, environment, quiet) for _ in range(jobs)]
    free, most_bytes = [*workers], memory_limit() // jobs
    running: dict[Future[Any], tuple[_Worker, Any]] = {}
    items = iter(items)
    pool = ThreadPoolExecutor(jobs)
    try:
        while True:
            while free and not stop() and (item := next(items, _END)) is not _END:
                begun(item)
                worker = free.pop()
                running[pool.submit(worker.call, item)] = worker, item
            if not running:
                return
            done, _ = wait(running, POLL_SECONDS, FIRST_COMPLETED)
            _end_oversized([worker for worker, _ in running.values()], most_bytes)
            for future in done:
                worker, item = running.pop(future)
                try:
                    answer = future.result()
                except EngineError:  # those that did start go on
                    if not (free or running):
                        raise
                    items = chain((item,), items)
                else:
                    free.append(worker)
                    yield item, answer
    finally:
        _end(workers)
        pool.shutdown()


class _Worker:
    """A process, and another where it dies, unless it `is_ending`."""

    def __init__(
        self, function: Callable[[Any], Any], environment: dict[str, str], quiet: bool
    ) -> None:
        self._function, self._environment, self._quiet = function, environment, quiet
        self.process: subprocess.Popen[bytes] | None = None
        self.is_ending = False

    def call(self, item: Any) -> Any:
        """Return what the function returns or raises, or `KilledWorker`."""
        for _ in range(TRIES):
            process = self.process or self._start()
            with suppress(OSError, ValueError):  # it is gone, as reading will tell
                pickle.dump((self._function, item), process.stdin)  # type: ignore[arg-type]
                process.stdin.flush()  # type: ignore[union-attr]
            with suppress(Exception):  # whatever a process that dies leaves half-said
                return pickle.load(process.stdout)  # type: ignore[arg-type]  # noqa: S301
            self.process = None
            process.kill()
            process.wait()
        return KilledWorker()

    def _start(self) -> subprocess.Popen[bytes]:
        reason = ""
        for _ in range(0 if self.is_ending else TRIES):
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
            self.process = process
            if self.is_ending:
                process.kill()
            with suppress(Exception):
                pickle.load(process.stdout)  # type: ignore[arg-type]  # noqa: S301  (it is ready)
                return process
            self.process = None
            process.kill()
            reason = f"exit status {process.wait()}"
        raise EngineError(
            f"Worker processes end before they begin ({reason}), probably out of memory; "
            "SKULLSTRIP_DEBUG=1 shows what they say."
        )


def _end_oversized(workers: list[_Worker], most_bytes: int) -> None:
    """Kill workers that take more than their share of the memory."""
    import psutil

    for process in filter(None, (worker.process for worker in workers)):
        with suppress(psutil.Error):
            if psutil.Process(process.pid).memory_info().rss > most_bytes:
                process.kill()


def _end(workers: list[_Worker]) -> None:
    """End all workers; one that does not remove its temporaries in time is killed."""
    for worker in workers:
        worker.is_ending = True
    processes = [worker.process for worker in workers if worker.process]
    for process in processes:
        with suppress(OSError, ValueError):
            process.stdin.close()  # type: ignore[union-attr]
    for process in processes:
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:  # noqa: PERF203
            process.kill()
            process.wait()


def serve() -> None:
    """Be a worker: call functions that come in by stdin, and answer by stdout, until stdin ends.

    Signals are left to the workers. What libraries print goes where errors go.
    """
    from ..io.nibabel_images import start_without_pydicom
    from ..io.process import SIGNALS, start_lean

    start_lean()
    with suppress(ImportError):  # without nibabel there is NRRD and DICOM
        start_without_pydicom()
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
