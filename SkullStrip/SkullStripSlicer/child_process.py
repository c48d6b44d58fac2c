"""A process that prints lines: one Protocol, and which of its three makes serves here."""

from __future__ import annotations

import inspect
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import slicer

from skullstrip.errors import EngineError

# PythonSlicer sets its own search path, so the child is told where the library is by argument.
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from skullstrip.worker.child import main; sys.exit(main())"
)


class ChildProcess(Protocol):
    """A running program whose lines are delivered in the thread that made it."""

    def start(
        self,
        command: list[str],
        folder: str,
        onLine: Callable[[str], None],
        onFinished: Callable[[int], None],
    ) -> None:
        """Start `command` in `folder`; `onFinished` gets the exit status, after the last line."""
        ...

    def pump(self) -> None:
        """Deliver what has come in, for callers that block."""
        ...

    def end(self, pid: int | None) -> None:
        """End the program, the process `pid` that it named and everything they started, now."""
        ...


def createProcess() -> ChildProcess:
    """What this Slicer offers: `launchConsoleProcess` (5.12), QProcess, or a pipe without Qt."""
    if getattr(slicer, "app", None) is None:
        from .pipe_process import PipeProcess

        return PipeProcess()
    if hasNonBlockingLaunch():
        from .console_process import ConsoleProcess

        return ConsoleProcess()
    from .qt_process import QtProcess

    return QtProcess()


def hasNonBlockingLaunch() -> bool:
    """Whether `slicer.util.launchConsoleProcess` can report lines by callback."""
    launch = getattr(slicer.util, "launchConsoleProcess", None)
    return launch is not None and "logCallback" in inspect.signature(launch).parameters


def childCommand(requestPath: Path) -> list[str]:
    """The command that serves a request with `skullstrip.worker.child`.

    Raises
    ------
    EngineError
        Slicer's Python is not where it should be.
    """
    library = Path(__file__).resolve().parent.parent
    return [pythonExecutable(), "-c", _BOOTSTRAP, str(library), str(requestPath)]


def pythonExecutable() -> str:
    """Slicer's Python without the application; plain Python where there is no application."""
    if getattr(slicer, "app", None) is None:
        return sys.executable
    found = shutil.which("PythonSlicer")
    if found is None:
        raise EngineError("PythonSlicer is not on the PATH of this Slicer; reinstall Slicer.")
    return found


def endProcessTree(pid: int) -> None:
    """End a process and what it started, whether it wants to or not.

    The child leads a process group of its own on Linux and macOS; Windows has taskkill.
    """
    if os.name == "nt":
        command = ["taskkill", "/PID", str(pid), "/T", "/F"]
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        subprocess.run(command, capture_output=True, check=False, creationflags=flags)
        return
    for end in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            end(pid, signal.SIGKILL)
