"""The child process: a program that takes requests and prints lines, and waits for another run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from skullstrip.errors import EngineError

LIBRARY = Path(__file__).resolve().parent.parent
# PythonSlicer sets its own search path, so the child is told where the library is by argument.
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from skullstrip.worker.child import main; sys.exit(main())"
)
IDLE_MINUTES = 5
END_SECONDS = 2.0
FAILED_TO_START = 0  # QProcess::ProcessError
NORMAL_EXIT = 0  # QProcess::ExitStatus
NO_STATUS = -1


def childCommand() -> list[str]:
    """Return the command that serves requests, in Slicer's Python without the application."""
    program = shutil.which("PythonSlicer")
    if program is None:
        raise EngineError("PythonSlicer is not on the PATH of this Slicer; reinstall Slicer.")
    return [program, "-c", _BOOTSTRAP, str(LIBRARY)]


class ChildProcess:
    """A program that serves requests, read by the event loop in the thread that made it.

    `command` gives the program and its arguments, once it is needed.
    """

    def __init__(self, command: Callable[[], list[str]] = childCommand) -> None:
        import qt

        self._command, self.isRunning, self._rest = command, False, b""
        self._process: Any = qt.QProcess()
        self._process.setProcessChannelMode(qt.QProcess.MergedChannels)
        self._process.setWorkingDirectory(str(LIBRARY))
        self._process.connect("readyReadStandardOutput()", self._read)
        self._process.connect("finished(int,QProcess::ExitStatus)", self._finish)
        self._process.connect("errorOccurred(QProcess::ProcessError)", self._fail)
        self._idle: Any = qt.QTimer()
        self._idle.setSingleShot(True)
        self._idle.setInterval(int(60_000 * IDLE_MINUTES))
        self._idle.connect("timeout()", lambda: self.end(None))

    def serve(
        self, request: str, onLine: Callable[[str], None], onFinished: Callable[[int], None]
    ) -> None:
        """Hand over a request; `onFinished` gets the exit status, after the last line.

        The program is started, unless it waits for a request.
        """
        self._idle.stop()
        self._onLine: Callable[[str], None] = onLine
        self._onFinished: Callable[[int], None] = onFinished
        wasRunning = self.isRunning
        if not wasRunning:
            program, *arguments = self._command()
            self.isRunning = True
            self._process.start(program, arguments)
        self._process.write(f"{request}\n".encode())
        if wasRunning:  # it begins now, not once Slicer's events have their turn
            self._process.waitForBytesWritten(int(1000 * END_SECONDS))

    def rest(self) -> None:
        """Wait for another request, for some minutes; nobody hears what the program says."""
        self._onLine = lambda _: None
        self._onFinished = lambda _: None
        self._idle.start()

    def _read(self) -> None:
        data = self._process.readAllStandardOutput().data()
        self._rest += data.encode() if isinstance(data, str) else bytes(data)
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            self._onLine(line.decode("utf-8", errors="replace").rstrip("\r"))

    def _finish(self, exitCode: int, exitStatus: int) -> None:
        self.isRunning = False
        self._read()
        self._onFinished(exitCode if int(exitStatus) == NORMAL_EXIT else NO_STATUS)

    def _fail(self, error: int) -> None:
        if int(error) == FAILED_TO_START:  # every other error is followed by `finished`
            self.isRunning = False
            self._onLine(self._process.errorString())
            self._onFinished(NO_STATUS)

    def end(self, pid: int | None) -> None:
        """End the program, the process `pid` that it named and everything they started, now."""
        self._idle.stop()
        if pid is not None:
            endProcessTree(pid)
        self._process.kill()  # and close its stdin, by which one that was not named yet ends, too
        self._process.waitForFinished(int(1000 * END_SECONDS))


class Children:
    """Child processes made by `make`, a run each; the last one waits for the next run."""

    def __init__(self, make: Callable[[], ChildProcess]) -> None:
        self._make = make
        self._resting: ChildProcess | None = None

    def take(self) -> ChildProcess:
        """Return the process that waits, or a new one."""
        process, self._resting = self._resting, None
        return process if process is not None and process.isRunning else self._make()

    def rest(self, process: ChildProcess) -> None:
        """Let a process wait; one that does already ends."""
        self.end()
        self._resting = process
        process.rest()

    def end(self) -> None:
        """End the process that waits, if there is one."""
        process, self._resting = self._resting, None
        if process is not None:
            process.end(None)


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
