"""The command in a forked process, stopped at a stage so that something can be done to it.

The network is `stand_ins.ThresholdEngine`; everything else, signals and files, is the real thing.
"""

import contextlib
import os
import sys
import time
import traceback
from contextlib import contextmanager

from skullstrip import pipeline
from skullstrip.cli import progress
from skullstrip.cli.main import main
from skullstrip.io import atomic, images
from Testing.stand_ins import ThresholdEngine

STAGES = ("check", "load", "prepare", "predict", "restore", "mask", "write")
INSIDE = ("half a file", "between moves")
GIVE_UP_SECONDS = 60.0
CRASHED = 99  # exit status of a forked process that raised


class Stopped:
    """A forked process that waits at a stage.

    Attributes
    ----------
    pid : int
    """

    def __init__(self, pid, reached, go):
        self.pid, self._reached, self._go = pid, reached, go

    def wait_until_there(self):
        """Block until the process waits at its stage."""
        assert os.read(self._reached, 1) == b"!", "the process ended before its stage"

    def end_there(self):
        """Wait for its end where it is, and return its exit status."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while not os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            assert time.monotonic() < deadline, "the process does not end where it is"
            time.sleep(0.01)
        return self.finish()

    def finish(self):
        """Let it go on, and return its exit status; minus the signal that ended it."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._go, b"!")
        for descriptor in (self._reached, self._go):
            os.close(descriptor)
        return wait(self.pid)


def run(function):
    """Call a function in a process of its own and return its exit status."""
    return wait(fork(function))


def fork(function):
    """Start a process that calls a function and exits with what it returns."""
    pid = os.fork()
    if pid == 0:
        status = CRASHED
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            sys.stdout = os.fdopen(1, "w", closefd=False)  # pytest's own is elsewhere
            status = function()
        except BaseException:  # noqa: BLE001  (nothing may return into pytest twice)
            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def wait(pid):
    """Exit status of a process, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def strip(*arguments):
    """Run the command in this process with the stand-in network."""
    pipeline.create_engine = lambda *_: ThresholdEngine()
    return main([str(argument) for argument in arguments])


def strip_until(stage, *arguments):
    """Start the command in a process that stops at a stage until told to go on."""
    reached, at_stage = os.pipe()
    may_go, go = os.pipe()

    def pause():
        os.write(at_stage, b"!")
        os.read(may_go, 1)

    def stopping():
        for descriptor in (reached, go):
            os.close(descriptor)
        _stop_at(stage, pause)
        return strip(*arguments)

    pid = fork(stopping)
    for descriptor in (at_stage, may_go):
        os.close(descriptor)
    return Stopped(pid, reached, go)


def _stop_at(stage, pause):
    """Patch this process, which is forked for the purpose, to pause once."""
    paused = []

    def once():
        if not paused:
            paused.append(True)
            pause()

    @contextmanager
    def shown(_=False):
        yield lambda name, *_: once() if name == stage else None

    progress.terminal_progress = shown
    if stage == "half a file":
        write = images._write

        def write_half(path, *rest):
            write(path, *rest)
            os.truncate(path, path.stat().st_size // 2)
            once()
            write(path, *rest)

        images._write = write_half
    if stage == "between moves":
        replace = os.replace

        def replace_and_pause(source, target):
            replace(source, target)
            once()

        atomic.os = type("os", (), {**vars(os), "replace": staticmethod(replace_and_pause)})
