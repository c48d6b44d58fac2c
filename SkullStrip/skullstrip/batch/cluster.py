"""Dask, for workers on more than one machine: scans handed to a running scheduler, a few at a time.

Dask has the scans of workers that die done by others. What is added here keeps its scheduler small:
however many scans there are, only a window of them is known to it.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from ..errors import EngineError, InputError

CONNECT_SECONDS = 20
POLL_SECONDS = 0.05
WORKERS_SECONDS = 5.0  # between two looks at how many workers there are
LOT = 10  # items handed over by one call, at least: Dask's scheduler notes each call for ever


@contextmanager
def remote_client(address: str) -> Iterator[Any]:
    """Give a client of a scheduler that runs already; raise InputError where none answers."""
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"No Dask scheduler answers at '{address}' ({error}).") from error
    with client:
        yield client


def as_done(
    client: Any,
    function: Callable[..., Any],
    items: Iterable[Any],
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[list[tuple[Any, Any]]]:
    """Have a function called for each item, and give the answers as they come.

    Parameters
    ----------
    function : callable
        Called by a worker with the item.
    stop : callable
        Asked often; once it says True, items that no worker has begun are dropped.

    Yields
    ------
    list of (item, answer)
        The answer is what the function returned, or the exception with which Dask gave the item
        up, `KilledWorker` for example.

    Raises
    ------
    EngineError
        The scheduler went away.
    """
    from distributed import as_completed

    group = f"strip-{uuid.uuid4().hex[:8]}"  # other batches may use the same scheduler
    waiting = ((f"{group}-{number}", item) for number, item in enumerate(items))
    running: dict[Any, tuple[Any, Any]] = {}
    finished = as_completed(loop=client.loop, with_results=True, raise_errors=False)
    window, stopped = _Window(client), False
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

    def __init__(self, client: Any) -> None:
        self._client = client
        self._threads, self._looked = 0, -math.inf

    def room(self, known: int) -> int:
        """Return how many to hand over when so many are known; the number of workers may change."""
        now = time.monotonic()
        if now - self._looked > WORKERS_SECONDS:
            self._threads, self._looked = sum(self._client.nthreads().values()), now
        return max(self._threads, LOT) if known <= 2 * self._threads + 2 else 0


def _drop_queued(client: Any, running: dict[Any, tuple[Any, Any]]) -> None:
    begun = {key for keys in client.processing().values() for key in keys}
    queued = [key for key, (_, future) in running.items() if key not in begun and not future.done()]
    client.cancel([running.pop(key)[1] for key in queued])


def _answer(future: Any, result: Any) -> Any:
    if future.status == "cancelled":
        raise EngineError("The Dask scheduler went away; start the same command again to go on.")
    return result[1] if future.status == "error" else result
