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
) -> Iterator[tuple[Any, Any]]:
    """Have workers call a function for each item, and give the answers as they come.

    `stop` is asked often; once it says True, items that no worker has begun are dropped.

    Yields (item, answer): what the function returned, or the exception with which Dask gave the
    item up, `KilledWorker` for example. Raises EngineError when the scheduler goes away.
    """
    from distributed import as_completed

    group = f"strip-{uuid.uuid4().hex[:8]}"  # other batches may use the same scheduler
    waiting = ((f"{group}-{number}", item) for number, item in enumerate(items))
    running: dict[Any, tuple[Any, Any]] = {}  # with their futures, of which no other list is kept
    finished = as_completed(loop=client.loop, with_results=True, raise_errors=False)
    threads, looked = 0, -math.inf
    while True:
        if time.monotonic() - looked > WORKERS_SECONDS:  # their number may change
            threads, looked = sum(client.nthreads().values()), time.monotonic()
        room = max(threads, LOT) * (len(running) <= 2 * threads + 2)
        if lot := dict(islice(waiting, room)):
            running |= _hand_over(client, function, lot, finished)
        if stop():
            waiting.close()
            _drop_queued(client, running)
        if not running:
            return
        for future, result in _ready(finished):
            if future.key in running:
                yield running.pop(future.key)[0], _answer(future, result)


def _ready(finished: Any) -> list[tuple[Any, Any]]:
    """Return what has come back; where that is nothing, after a little while."""
    if finished.has_ready():
        return list(finished.next_batch())
    time.sleep(POLL_SECONDS)
    return []


def _hand_over(
    client: Any, function: Callable[..., Any], lot: dict[Any, Any], finished: Any
) -> dict[Any, tuple[Any, Any]]:
    """Items by their keys; gives them back with their futures."""
    futures = client.map(function, [*lot.values()], key=[*lot], pure=False)
    finished.update(futures)
    return {future.key: (lot[future.key], future) for future in futures}


def _answer(future: Any, result: Any) -> Any:
    if future.status == "cancelled":
        raise EngineError("The Dask scheduler went away; start the same command again to go on.")
    return result[1] if future.status == "error" else result


def _drop_queued(client: Any, running: dict[Any, tuple[Any, Any]]) -> None:
    begun = {key for keys in client.processing().values() for key in keys}
    queued = [key for key, (_, future) in running.items() if key not in begun and not future.done()]
    client.cancel([running.pop(key)[1] for key in queued])
