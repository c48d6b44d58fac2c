"""Dask: a cluster on this machine or a running one, and scans handed to it a few at a time.

Dask schedules, restarts workers that die and has their scans done by others. What is added here
keeps its scheduler small: however many scans there are, only a window of them is known to it.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from ..errors import EngineError, InputError
from ..network.engines import available_threads

# Measured on 1 mm heads of 256 x 256 x 176 voxels, Dask and Python included.
WORKER_BYTES = 800e6
TRIES = 3  # workers that may die of one scan before it counts as failed
CONNECT_SECONDS = 20
POLL_SECONDS = 0.05
WORKERS_SECONDS = 5.0  # between two looks at how many workers there are
LOT = 10  # items handed over by one call, at least: Dask's scheduler notes each call for ever
PATIENCE_SECONDS = 120.0  # for workers of this machine, which Dask starts again when they die
LOCAL_SETTINGS = {
    "distributed.scheduler.allowed-failures": TRIES - 1,
    # A scan waits with the scheduler, not with a worker: a worker that dies takes only its own.
    "distributed.scheduler.worker-saturation": 1.0,
    # Logs for Dask's developers, for each worker one of events and one of messages, scans included.
    "distributed.admin.low-level-log-length": 10,
    # A computer that slept has lost no worker; real deaths are seen at once.
    "distributed.scheduler.worker-ttl": None,
    # Nothing is held that could be written to disk, and a pause would last for ever.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.profile.enabled": False,
    "distributed.comm.timeouts.connect": "30s",
}


def require_dask() -> None:
    """Say how to install what a batch needs.

    Raises
    ------
    EngineError
    """
    import importlib.util

    missing = [name for name in ("dask", "distributed") if not importlib.util.find_spec(name)]
    if missing:
        raise EngineError(
            f"A batch needs {' and '.join(missing)}; use 'pip install \"skullstrip[batch]\"'."
        )


def default_jobs(scans: int) -> int:
    """Worker processes for this machine: one a processor, as far as memory reaches."""
    import psutil
    from distributed.system import MEMORY_LIMIT

    memory = min(psutil.virtual_memory().available, MEMORY_LIMIT)
    return max(1, min(available_threads(), int(memory // WORKER_BYTES), scans))


def threads_each(jobs: int) -> int:
    """Threads of a worker's network where `jobs` share this machine."""
    return max(1, available_threads() // jobs)


def worker_environment(jobs: int) -> dict[str, int]:
    """Variables that workers of this machine start with, in the place of Dask's own.

    Those bound BLAS to one thread, and have glibc give every freed array back to the system, whose
    pages the next one must fetch again: a quarter of a scan's time.
    """
    libraries = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(libraries, threads_each(jobs))


@contextmanager
def local_client(jobs: int, quiet: bool = True) -> Iterator[Any]:
    """Give a client of worker processes on this machine, reached by loopback alone.

    They end with this process, also when it is killed.
    """
    import dask
    from distributed import Client, LocalCluster
    from distributed.system import MEMORY_LIMIT

    environment = {"distributed.nanny.pre-spawn-environ": worker_environment(jobs)}
    with dask.config.set(LOCAL_SETTINGS | environment):
        cluster = LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=int(MEMORY_LIMIT // jobs),
            silence_logs=logging.CRITICAL if quiet else logging.WARNING,
        )
        with cluster, Client(cluster) as client:
            client.register_plugin(_quiet_worker(quiet))
            yield client


@contextmanager
def remote_client(address: str) -> Iterator[Any]:
    """Give a client of a scheduler that runs already.

    Raises
    ------
    InputError
        It does not answer.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"No Dask scheduler answers at '{address}' ({error}).") from error
    with client:
        yield client


def _quiet_worker(quiet: bool) -> Any:
    from distributed import WorkerPlugin

    class QuietWorker(WorkerPlugin):
        """Leaves Ctrl-C to the coordinator, and the coordinator's stdout alone."""

        name = "skullstrip-quiet"

        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.dup2(2, 1)
            if quiet:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    return QuietWorker()


def as_done(
    client: Any,
    function: Callable[..., Any],
    items: Iterable[Any],
    stop: Callable[[], bool] = lambda: False,
    patience: float = math.inf,
) -> Iterator[list[tuple[Any, Any]]]:
    """Have a function called for each item, and give the answers as they come.

    Parameters
    ----------
    client : distributed.Client
    function : callable
        Called by a worker with the item.
    items : iterable
    stop : callable
        Asked often; once it says True, items that no worker has begun are dropped.
    patience : float
        Seconds without any worker before this is given up; those of a cluster may wait in a queue.

    Yields
    ------
    list of (item, answer)
        The answer is what the function returned, or the exception with which Dask gave the item
        up, `KilledWorker` for example.

    Raises
    ------
    EngineError
        The scheduler went away, or there are no workers.
    """
    from distributed import as_completed

    group = f"strip-{uuid.uuid4().hex[:8]}"  # other batches may use the same scheduler
    waiting = ((f"{group}-{number}", item) for number, item in enumerate(items))
    running: dict[Any, tuple[Any, Any]] = {}
    finished = as_completed(loop=client.loop, with_results=True, raise_errors=False)
    window, stopped = _Window(client, patience), False
    while True:
        if lot := dict(islice(waiting, window.room(len(running)))):
            running |= _hand_over(client, function, lot, finished)
        if stop() and not stopped:
            waiting.close()
            stopped = True
            _drop_queued(client, running)
        if not running:
            return
        if finished.has_ready():
            batch = finished.next_batch()
            yield [
                (running.pop(future.key)[0], _answer(future, result))
                for future, result in batch
                if future.key in running
            ]
        else:
            time.sleep(POLL_SECONDS)


def _hand_over(
    client: Any, function: Callable[..., Any], lot: dict[Any, Any], finished: Any
) -> dict[Any, tuple[Any, Any]]:
    """Items by their keys; gives them back with their futures, of which no other list is kept."""
    futures = client.map(function, [*lot.values()], key=[*lot], pure=False)
    finished.update(futures)
    return {future.key: (lot[future.key], future) for future in futures}


class _Window:
    """How many items the scheduler knows at a time: so many that no worker waits for the next."""

    def __init__(self, client: Any, patience: float) -> None:
        self._client, self._patience = client, patience
        self._threads, self._looked, self._seen = 0, -math.inf, time.monotonic()

    def room(self, known: int) -> int:
        """How many to hand over when so many are known; the number of workers may change.

        Raises
        ------
        EngineError
            There have been none for too long.
        """
        now = time.monotonic()
        if now - self._looked > WORKERS_SECONDS:
            self._threads, self._looked = sum(self._client.nthreads().values()), now
            self._seen = now if self._threads else self._seen
            if now - self._seen > self._patience:
                raise EngineError("No worker process stays alive; SKULLSTRIP_DEBUG=1 shows why.")
        return max(self._threads, LOT) if known <= 2 * self._threads + 2 else 0


def _drop_queued(client: Any, running: dict[Any, tuple[Any, Any]]) -> None:
    begun = {key for keys in client.processing().values() for key in keys}
    queued = [key for key, (_, future) in running.items() if key not in begun and not future.done()]
    client.cancel([running.pop(key)[1] for key in queued])


def _answer(future: Any, result: Any) -> Any:
    if future.status == "cancelled":
        raise EngineError("The Dask scheduler went away; start the same command again to go on.")
    return result[1] if future.status == "error" else result
