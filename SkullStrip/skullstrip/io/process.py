"""How the command lives in its process: signals, streams, and the noise of native libraries."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from types import FrameType
from typing import BinaryIO, NoReturn, TypeVar

from ..errors import SkullStripError
from .atomic import end_unwritten, moves

LEAST_MEMORY = 800e6  # bytes of addresses, for the libraries and a small head
# What a terminal, a user or a batch system ends a process with, after a warning in some cases.
_NAMES = ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "XCPU", "BREAK")
SIGNALS = tuple(getattr(signal, f"SIG{name}") for name in _NAMES if hasattr(signal, f"SIG{name}"))
OBJECTS_A_COLLECTION = 50_000  # Python's own: 700
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # as glibc's malloc.h has them
KEPT_BYTES = 2**30  # of freed memory
CLEAR_LINE = b"\r\x1b[2K"  # of a terminal, on which a bar may stand
T = TypeVar("T")


@contextmanager
def ended_by_signals(message: str, status: int) -> Iterator[None]:
    """Let a signal end this process at once, whatever it does, with no temporary left behind.

    A thread does it. Python's own handlers run in the main thread between two of its steps, so not
    before an import or a compressed file is through, and TensorFlow swallows what they raise. A
    signal that comes while the outputs are moved into place comes too late.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    since = moves()
    last_words = CLEAR_LINE * sys.stderr.isatty() + f"skullstrip: {message}\n".encode()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def listen() -> None:
        while number := os.read(reader, 1)[0]:
            if number in SIGNALS:
                end_unwritten(status, since=since, say=last_words)

    with handled(lambda *_: None):
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            os.write(writer, b"\0")
            listener.join()
            os.close(reader)
            os.close(writer)


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether a signal came; a second one raises KeyboardInterrupt."""
    came: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    with handled(handle):
        yield lambda: bool(came)


@contextmanager
def handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Have a handler for the signals that end a process, those aside that it was told to ignore.

    `nohup` ignores SIGHUP, and a shell SIGINT for what it starts in the background.
    """
    may = threading.current_thread() is threading.main_thread()
    heeded = [one for one in SIGNALS if may and signal.getsignal(one) != signal.SIG_IGN]
    previous = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def start_lean() -> None:
    """Have a process of our own start and compute lean; to be called before NumPy is imported.

    BLAS's threads wait for work by spinning, which took a fifth of a run's processor time for
    nothing; imports make objects by the hundred thousand, but no garbage; and glibc keeps memory
    for each thread that once asked for some, scan by scan more.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(OBJECTS_A_COLLECTION)
    with suppress(AttributeError, OSError, TypeError):  # another library; Windows
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def keep_memory(largest: int = KEPT_BYTES) -> None:
    """Have a process that takes one scan after the other use again what it freed.

    The system need not clear it, which takes a tenth of the time of each scan after the first.
    Arrays of more than `largest` bytes go back at once.
    """
    with suppress(AttributeError, OSError, TypeError):  # another library; Windows
        glibc = ctypes.CDLL(None)
        if glibc.mallopt(M_MMAP_THRESHOLD, largest):  # older ones take 32 MB at most
            glibc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def import_scipy() -> None:
    """Import SciPy without two parts of NumPy that it lists, but never uses: a third of its time.

    Its own namespaces begin with `from numpy import *`, which loads these two.
    """
    import numpy

    unused = [name for name in ("f2py", "testing") if name not in vars(numpy)]
    for name in unused:
        setattr(numpy, name, None)
    try:
        import scipy.ndimage  # noqa: F401
    finally:
        for name in unused:
            if getattr(numpy, name) is None:
                delattr(numpy, name)


def leave(status: int) -> NoReturn:
    """End this process without freeing one by one what the system frees at once: 0.1 s."""
    with suppress(OSError, ValueError, AttributeError):  # streams that are closed
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def require_memory() -> None:
    """Raise SkullStripError where so little memory is allowed that libraries hang or crash."""
    with suppress(ImportError):  # Windows has no such limits
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit not in (resource.RLIM_INFINITY, -1) and limit < LEAST_MEMORY:
            raise SkullStripError(
                f"This process may take {limit / 1e6:.0f} MB of memory (ulimit -v), and needs at "
                f"least {LEAST_MEMORY / 1e6:.0f}; raise the limit."
            )


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


def own_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for what a program asks of this process, and for what it answers.

    For whatever else is here, and is started from here, stdin is empty, and stdout goes to stderr.
    """
    sys.stdout.flush()
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, answers


def listen(requests: Iterable[T], at_end: Callable[[], object]) -> SimpleQueue[T]:
    """Give a queue that a thread fills with what comes; it calls `at_end` once nothing can come."""
    heard: SimpleQueue[T] = SimpleQueue()

    def hear() -> None:
        with suppress(EOFError, OSError):
            for request in requests:
                heard.put(request)
        at_end()

    threading.Thread(target=hear, daemon=True).start()
    return heard


@contextmanager
def native_noise_silenced() -> Iterator[None]:
    """Keep what C++ libraries print off stderr, where TensorFlow logs before it can be told not to.

    Python's own `sys.stderr` goes where it went before.
    """
    stream, null = sys.stderr, os.open(os.devnull, os.O_WRONLY)
    with os.fdopen(os.dup(2), "w", 1, stream.encoding, "backslashreplace") as original:
        if stream is sys.__stderr__:
            sys.stderr = original
        os.dup2(null, 2)
        os.close(null)
        try:
            yield
        finally:
            sys.stderr = stream
            os.dup2(original.fileno(), 2)
