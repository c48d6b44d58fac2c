"""Dask, for workers on more than one machine: scans handed to a running scheduler.

Dask has the scans of workers that die done by others. Its scheduler stays small, since `as_done`
lets it know of no more scans than there are workers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import Any

from ..errors import EngineError, InputError

CONNECT_SECONDS = 20
LOOK_SECONDS = 5.0  # between two looks at how many workers there are


class Cluster:
    """The workers of a scheduler, by a client of it."""

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
