"""Worker processes on this machine, each with one scan at a time, handed over through a pipe.

A pipe belongs to the two processes that it joins, so nobody else on the machine can reach a worker,
as they could through a socket; nothing listens. Workers are started as a command, not by
`multiprocessing`, and import nothing of the caller's script.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from ..errors import EngineError
from ..io.temporary import end_unwritten
from ..network.engines import available_threads

# Measured on 1 mm heads of 256 x 256 x 176 voxels, Python included.
WORKER_BYTES = 800e6
TRIES = 3  # workers that may die of one scan before it counts as failed, or at their start
POLL_SECONDS = 0.1
END_SECONDS = 5.0  # that a worker gets to remove its temporaries
_READY, _GONE = "ready", "gone"
_START = f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import serve; serve()"


class KilledWorker(Exception):
    """Every worker that tried an item died of it."""


def require_psutil() -> None:
    """Say how to install what a batch needs.

    Raises
    ------
    EngineError
    """
    import importlib.util

    if not importlib.util.find_spec("psutil"):
        raise EngineError("A batch needs psutil; use 'pip install \"skullstrip[batch]\"'.")


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
    workers = _Workers(function, iter(items), begun, quiet, jobs)
    try:
        while workers.hand_out(stop()):
            if answer := workers.next_answer():
                yield [answer]
    finally:
        workers.end()


class _Worker:
    """A process, and what it works on."""

    def __init__(self, news: SimpleQueue[Any], environment: dict[str, str], quiet: bool) -> None:
        self.task: _Task | None = None
        self.is_ready = False
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _START, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            env=os.environ | environment,
        )
        threading.Thread(target=self._listen, args=(news,), daemon=True).start()

    def _listen(self, news: SimpleQueue[Any]) -> None:
        with suppress(Exception):  # whatever a process that dies leaves half-said
            while True:
                news.put((self, pickle.load(self.process.stdout)))  # type: ignore[arg-type]  # noqa: S301
        news.put((self, _GONE))

    def begin(self, task: _Task, function: Callable[[Any], Any]) -> None:
        self.task = task
        with suppress(OSError):  # it is gone, as will be heard
            pickle.dump((function, task.item), self.process.stdin)  # type: ignore[arg-type]
            self.process.stdin.flush()  # type: ignore[union-attr]

    def end(self) -> None:
        with suppress(OSError):
            self.process.stdin.close()  # type: ignore[union-attr]


class _Task:
    def __init__(self, item: Any) -> None:
        self.item, self.deaths = item, 0


class _Workers:
    """The workers, and which items they have; all in the caller's thread."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        items: Iterator[Any],
        begun: Callable[[Any], object],
        quiet: bool,
        jobs: int,
    ) -> None:
        import psutil

        self._function, self._items, self._begun, self._quiet = function, items, begun, quiet
        self._environment = worker_environment(jobs)
        self._worker_bytes = memory_limit() // jobs
        self._memory_of = lambda pid: psutil.Process(pid).memory_info().rss
        self._gone = psutil.Error
        self._news: SimpleQueue[Any] = SimpleQueue()
        self._again: deque[_Task] = deque()
        self._is_exhausted = False
        self._stillborn = 0  # workers in a row that died before they began
        self._looked = time.monotonic()
        self._workers: list[_Worker] = []
        for _ in range(jobs):
            self._hire()

    def hand_out(self, stopped: bool) -> bool:
        """Give free workers their next items; returns whether any answer is still to come."""
        for worker in self._workers:
            free = worker.is_ready and worker.task is None and not stopped
            if free and (task := self._next()):
                self._begun(task.item)
                worker.begin(task, self._function)
        is_left = not stopped and (bool(self._again) or not self._is_exhausted)
        return is_left or any(worker.task for worker in self._workers)

    def next_answer(self) -> tuple[Any, Any] | None:
        """Wait a moment for an item that is answered or given up."""
        self._end_the_greedy()
        try:
            worker, said = self._news.get(timeout=POLL_SECONDS)
        except Empty:
            return None
        task, worker.task = worker.task, None
        if said == _GONE:
            return self._lose(worker, task)
        worker.is_ready, self._stillborn = True, 0
        return (task.item, said[1]) if task else None

    def end(self) -> None:
        """End all workers; one that does not remove its temporaries in time is killed."""
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            try:
                worker.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:  # noqa: PERF203
                worker.process.kill()
                worker.process.wait()

    def _next(self) -> _Task | None:
        if self._again:
            return self._again.popleft()
        for item in self._items:
            return _Task(item)
        self._is_exhausted = True
        return None

    def _hire(self) -> None:
        try:
            self._workers.append(_Worker(self._news, self._environment, self._quiet))
        except OSError as error:  # no more processes, or no memory for them
            self._require_workers(str(error))

    def _lose(self, worker: _Worker, task: _Task | None) -> tuple[Any, Any] | None:
        """Put another worker in the place of one that died, and its item back."""
        self._workers.remove(worker)
        status = worker.process.wait()
        self._stillborn += not worker.is_ready
        if self._stillborn < TRIES:
            self._hire()
        self._require_workers(f"exit status {status}")
        if task is None:
            return None
        task.deaths += 1
        if task.deaths < TRIES:
            self._again.append(task)
            return None
        return task.item, KilledWorker()

    def _require_workers(self, reason: str) -> None:
        if not self._workers:
            raise EngineError(
                f"Worker processes end before they begin ({reason}), probably out of memory; "
                "SKULLSTRIP_DEBUG=1 shows what they say."
            )

    def _end_the_greedy(self) -> None:
        """Kill workers that take more than their share of the memory."""
        if time.monotonic() - self._looked < POLL_SECONDS:
            return
        self._looked = time.monotonic()
        for worker in self._workers:
            with suppress(self._gone):
                if worker.task and self._memory_of(worker.process.pid) > self._worker_bytes:
                    worker.process.kill()


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
        end_unwritten(0)  # the workers is done, or gone

    threading.Thread(target=listen, daemon=True).start()
    said: Any = (_READY, None)
    while True:
        answers.write(pickle.dumps(said))
        answers.flush()
        function, item = waiting.get()
        try:
            said = ("answer", function(item))
        except Exception as error:  # noqa: BLE001  (the workers's to tell)
            said = ("answer", error)
