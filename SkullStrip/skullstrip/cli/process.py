"""How the command lives in its process: signals, streams, and the noise of native libraries."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Let SIGINT and SIGTERM end the work at the next safe point, and a second one at once.

    Gives a function that raises KeyboardInterrupt if a signal came; call it between steps. The
    signal itself raises nothing at first: in the middle of an import TensorFlow swallows the
    exception, or crashes by it.
    """
    came: list[int] = []

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    def interrupt(number: int, _: FrameType | None) -> None:
        check()
        came.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield check  # only the main thread may set handlers
        return
    previous = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield check
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def repair_streams() -> None:
    """Make standard streams that can be written to, whatever they are connected to.

    A stream that was closed (`2>&-`, or no console on Windows) becomes the null device; otherwise
    the next file opened would take its number, and be written into by native libraries. Characters
    that a terminal lacks are escaped.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # noqa: PERF203
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def abandon_stdout() -> None:
    """Point standard output nowhere, so that Python's own flush at exit cannot fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


@contextmanager
def native_noise_silenced() -> Iterator[None]:
    """Keep what C++ libraries print off stderr, where TensorFlow logs before it can be told not to.

    Python's own `sys.stderr` goes where it went before.
    """
    original = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    stream = sys.stderr
    text = stream.encoding, "backslashreplace"
    with os.fdopen(original, "w", 1, *text, closefd=False) as kept:
        if stream is sys.__stderr__:
            sys.stderr = kept
        os.dup2(null, 2)
        try:
            yield
        finally:
            sys.stderr = stream
            os.dup2(original, 2)
            os.close(original)
            os.close(null)
