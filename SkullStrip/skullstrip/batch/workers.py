"""Items handed to workers as these are free: to processes of this machine, or to those of Dask.

A process of this machine is joined to this one by a pipe, which nobody else there can reach;
nothing listens. It is started as a command, imports nothing of the caller's script, and ends when
its pipe does. Tried in its place: `ProcessPoolExecutor` and Pebble import that script, and one
process killed while it is idle breaks the whole pool; loky's processes outlive this one.

Dask is for more machines, and has the items of workers that die done by others. Its scheduler stays
small, since it knows of no more items than it has workers.
"""

from __future__ import annotations

import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain, islice
from typing import Any

from ..errors import EngineError, InputError, reason_of
from ..io.atomic import end_unwritten
from ..network.engine import available_threads, group_limits

# Measured on 1 mm heads of 256 x 256 x 176 voxels, Python included.
WORKER_BYTES = 800e6
TRIES = 3  # processes that may die of one item before it counts as failed, or at their start
POLL_SECONDS = 0.1
CONNECT_SECONDS = 20
LOOK_SECONDS = 5.0  # between two looks at how many workers Dask has
END_SECONDS = 5.0  # that a process gets to remove its temporaries
_START = f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import serve; serve()"


class KilledWorker(Exception):
    """Every worker that tried an item died of it."""


def as_done(
    workers: LocalWorkers | Cluster,
    function: Callable[[Any], Any],
    items: Iterable[Any],
    *,
    begun: Callable[[Any], object] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Any, Any]]:
    """Have workers call a function for each item; give the answers as they come.

    Function and items can be pickled. Items are taken one by one, when a worker is free, and
    `begun` gets each. `stop` is asked often; once it says True, items that were begun are finished
    and no others.

    Yields (item, answer): what the function returned or raised, or `KilledWorker`. Raises
    EngineError where no worker is left.
    """
    waiting = iter(items)
    running: dict[Future[Any], Any] = {}
    while True:
        capacity = workers.capacity()
        # One item waits for workers that are still to come.
        for item in islice(waiting, 0 if stop() else max(0, max(capacity, 1) - len(running))):
            begun(item)
            running[workers.submit(function, item)] = item
        if not running or (stop() and not capacity):
            return
        done, _ = wait(running, POLL_SECONDS, FIRST_COMPLETED)
        for future in done:
            item = running.pop(future)
            try:
                yield item, _answer(future)
            except EngineError:  # of a worker that does not start; those that did go on
                if not workers.capacity():
                    raise
                waiting = chain((item,), waiting)


def _answer(future: Future[Any]) -> Any:
    try:
        return future.result()
    except (CancelledError, EngineError):
        raise
    except Exception as error:  # noqa: BLE001  (whoever asked has to know)
        return error


class LocalWorkers:
    """So many processes, each started when there is work for it, and again where it dies.

    `quiet` keeps what they say off stderr.
    """

    def __init__(self, jobs: int, *, quiet: bool = True) -> None:
        self._capacity, self._quiet = jobs, quiet
        self._most_bytes = memory_limit() // jobs
        threads = str(threads_each(jobs))
        self._environment = os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._threads, self._own = ThreadPoolExecutor(jobs), threading.local()  # process of each
        self._is_ending = threading.Event()

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes; one that does not remove its temporaries in time is killed."""
        self._is_ending.set()
        processes = tuple(self._processes)
        for process in processes:
            with suppress(OSError, ValueError):
                process.stdin.close()  # type: ignore[union-attr]
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
            self._end(process)
        self._threads.shutdown()

    def capacity(self) -> int:
        """End processes that take more than their memory; return how many there may be."""
        import psutil

        for process in tuple(self._processes):
            with suppress(psutil.Error):
                if psutil.Process(process.pid).memory_info().rss > self._most_bytes:
                    process.kill()
        return self._capacity

    def submit(self, function: Callable[[Any], Any], item: Any) -> Future[Any]:
        """Have a free process call a function; an exception is returned, too."""
        return self._threads.submit(self._call, function, item)

    def _call(self, function: Callable[[Any], Any], item: Any) -> Any:
        for _ in range(TRIES):
            process: Any = getattr(self._own, "process", None) or self._start()
            self._own.process = process
            with suppress(OSError, ValueError):  # it is gone, as reading will tell
                pickle.dump((function, item), process.stdin)
                process.stdin.flush()
            with suppress(Exception):  # whatever a process that dies leaves half-said
                return pickle.load(process.stdout)  # noqa: S301
            self._end(process)
            self._own.process = None
        return KilledWorker()

    def _start(self) -> subprocess.Popen[bytes]:
        reason = ""
        for _ in range(TRIES):
            if self._is_ending.is_set():
                break
            try:
                process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-c", _START, *sys.path],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL if self._quiet else None,
                    env=self._environment,
                )
            except OSError as error:  # no more processes, or no memory for them
                reason = reason_of(error)
                continue
            self._processes.add(process)
            if self._is_ending.is_set():  # and perhaps did not see this one
                process.kill()
            with suppress(Exception):
                pickle.load(process.stdout)  # type: ignore[arg-type]  # noqa: S301  (it is ready)
                return process
            reason = f"exit status {self._end(process)}, probably out of memory"
        self._capacity -= 1
        raise EngineError(
            f"Worker processes end before they begin ({reason}); "
            "SKULLSTRIP_DEBUG=1 shows what they say."
        )

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        self._processes.discard(process)
        with suppress(OSError), process:  # whose pipes are closed
            process.kill()
        return process.wait()


def serve() -> None:
    """Be a worker: call functions that come in by stdin, and answer by stdout, until stdin ends.

    Signals are left to the workers. What libraries print goes where errors go.
    """
    from ..io.process import SIGNALS, import_scipy, keep_memory, listen, own_streams, start_lean

    start_lean()
    keep_memory()
    import_scipy()
    with suppress(ImportError):  # without nibabel there is NRRD and DICOM
        from ..io.nibabel_images import start_without_pydicom

        start_without_pydicom()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    requests, answers = own_streams()
    calls = listen(iter(partial(pickle.load, requests), None), lambda: end_unwritten(0))
    said: Any = None  # that it is ready
    while True:
        answers.write(pickle.dumps(said))
        answers.flush()
        function, item = calls.get()
        try:
            said = function(item)
        except Exception as error:  # noqa: BLE001  (the coordinator's to tell)
            said = error


class Cluster:
    """The workers of a Dask scheduler, by a client of it."""

    def __init__(self, client: Any) -> None:
        self._client, self._executor = client, client.get_executor(pure=False)
        self._threads, self._looked = 0, -math.inf

    def capacity(self) -> int:
        """Return how many threads the workers have, as of a short time ago."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._threads = sum(self._client.nthreads().values())
            self._looked = time.monotonic()
        return self._threads

    def submit(self, function: Callable[[Any], Any], item: Any) -> Future[Any]:
        """Have a worker call a function."""
        return self._executor.submit(function, item)


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Give the workers of a scheduler that runs already.

    Raise InputError where none answers, EngineError when it goes away.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"No Dask scheduler answers at '{address}' ({error}).") from error
    with client:
        try:
            yield Cluster(client)
        except CancelledError as error:
            raise EngineError(
                "The Dask scheduler went away; start the same command again to go on."
            ) from error


def default_jobs() -> int:
    """Return how many workers fit here: one a processor, as far as memory reaches."""
    import psutil

    memory = min(psutil.virtual_memory().available, memory_limit())
    return max(1, min(available_threads(), int(memory // WORKER_BYTES)))


def memory_limit() -> int:
    """Return the bytes that all processes of this machine, or of this container, may take."""
    import psutil

    limits = [int(psutil.virtual_memory().total)]
    for text in group_limits("memory.max", "memory.limit_in_bytes"):  # of version 2 and 1
        with suppress(ValueError):  # "max"
            limits.append(int(text))
    return min(limits)


def threads_each(jobs: int) -> int:
    """Return the threads of a worker's network where `jobs` share this machine.

    They are twice its share, so that it takes what the others leave, as they read, write and end.
    """
    return max(1, min(available_threads(), 2 * available_threads() // jobs))
