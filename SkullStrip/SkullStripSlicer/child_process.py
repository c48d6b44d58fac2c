"""A process that prints lines."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import slicer

from skullstrip.errors import EngineError

# PythonSlicer sets its own search path, so the child is told where the library is by argument.
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from skullstrip.worker.child import main; sys.exit(main())"
)
END_SECONDS = 2.0
FAILED_TO_START = 0  # QProcess::ProcessError
NORMAL_EXIT = 0  # QProcess::ExitStatus
NO_STATUS = -1


class ChildProcess:
    """A running program, read by the event loop in the thread that made it."""

    def __init__(self) -> None:
        import qt

        self._process: Any = qt.QProcess()
        self._process.setProcessChannelMode(qt.QProcess.MergedChannels)
        self._rest = b""

    def start(
        self,
        command: list[str],
        folder: str,
        onLine: Callable[[str], None],
        onFinished: Callable[[int], None],
    ) -> None:
        """Start `command` in `folder`; `onFinished` gets the exit status, after the last line."""
        self._onLine, self._onFinished = onLine, onFinished
        process = self._process
        process.setWorkingDirectory(folder)
        process.connect("readyReadStandardOutput()", self._read)
        process.connect("finished(int,QProcess::ExitStatus)", self._finish)
        process.connect("errorOccurred(QProcess::ProcessError)", self._fail)
        process.start(command[0], command[1:])

    def _read(self) -> None:
        data = self._process.readAllStandardOutput().data()
        self._rest += data.encode() if isinstance(data, str) else bytes(data)
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            self._onLine(line.decode("utf-8", errors="replace").rstrip("\r"))

    def _finish(self, exitCode: int, exitStatus: int) -> None:
        self._read()
        self._onFinished(exitCode if int(exitStatus) == NORMAL_EXIT else NO_STATUS)

    def _fail(self, error: int) -> None:
        if int(error) == FAILED_TO_START:  # every other error is followed by `finished`
            self._onLine(self._process.errorString())
            self._onFinished(NO_STATUS)

    def pump(self) -> None:
        """Deliver what has come in, for callers that block."""
        slicer.app.processEvents()

    def end(self, pid: int | None) -> None:
        """End the program, the process `pid` that it named and everything they started, now."""
        if pid is not None:
            endProcessTree(pid)
        self._process.kill()
        self._process.waitForFinished(int(1000 * END_SECONDS))


def childCommand(requestPath: Path) -> list[str]:
    """Return the command that serves a request with `skullstrip.worker.child`.

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
