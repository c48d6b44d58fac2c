"""A process that prints lines, by QProcess in the application and by a pipe without one."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

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
    """Return a process for this Slicer, which may be one without an application."""
    return PipeProcess() if getattr(slicer, "app", None) is None else QtProcess()


class QtProcess:
    """A QProcess, read by the event loop."""

    def __init__(self) -> None:
        import qt

        self._process = qt.QProcess()
        self._process.setProcessChannelMode(qt.QProcess.MergedChannels)
        self._rest = b""

    def start(
        self,
        command: list[str],
        folder: str,
        onLine: Callable[[str], None],
        onFinished: Callable[[int], None],
    ) -> None:
        """As `ChildProcess.start`."""
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
        """As `ChildProcess.pump`."""
        slicer.app.processEvents()

    def end(self, pid: int | None) -> None:
        """As `ChildProcess.end`."""
        if pid is not None:
            endProcessTree(pid)
        self._process.kill()
        self._process.waitForFinished(int(1000 * END_SECONDS))


class PipeProcess:
    """A process read by a thread, where no Qt event loop runs; `pump` delivers its lines."""

    def __init__(self) -> None:
        self._queue: queue.Queue = queue.Queue()
        self._process: Any = None

    def start(
        self,
        command: list[str],
        folder: str,
        onLine: Callable[[str], None],
        onFinished: Callable[[int], None],
    ) -> None:
        """As `ChildProcess.start`."""
        self._onLine, self._onFinished = onLine, onFinished
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with self._process.stdout as stream:
            for line in stream:
                self._queue.put(("line", line.rstrip("\n")))
        self._queue.put(("finished", self._process.wait()))

    def pump(self) -> None:
        """As `ChildProcess.pump`."""
        while not self._queue.empty():
            kind, content = self._queue.get_nowait()
            if kind == "line":
                self._onLine(content)
            else:
                self._onFinished(content)

    def end(self, pid: int | None) -> None:
        """As `ChildProcess.end`."""
        if pid is not None:
            endProcessTree(pid)
        self._process.kill()
        self._process.wait(END_SECONDS)


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
