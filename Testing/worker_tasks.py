"""What worker processes do in tests; they import it by this name."""

import os
import signal
import time
from pathlib import Path


def square(number):
    return number * number


def slow_square(number):
    time.sleep(0.05)
    return number * number


def fail(number):
    raise ValueError(number)


def die_of_five(number):
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die_once(path):
    """Kill the worker unless an earlier one left a file there."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def hang(mark):
    Path(mark).touch()
    time.sleep(60)


def take_memory(number):
    """Hold 400 MB, as a scan may that is too large."""
    held = bytearray(400_000_000)
    held[::4096] = bytes(len(held[::4096])).replace(b"\0", b"x")
    time.sleep(60)
    return len(held) + number


def environment(name):
    return os.environ.get(name)


def threads(_):
    import numpy  # noqa: F401  (which starts its own)

    return len(list(Path("/proc/self/task").iterdir()))


def chatter(number):
    print("a library says something on stdout")
    os.write(1, b"and so does native code\n")
    return number
