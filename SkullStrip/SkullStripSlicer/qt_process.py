"""A child process by QProcess, for Slicer before 5.12."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer

from .child_process import endProcessTree

END_MILLISECONDS = 2000
FAILED_TO_START = 0  # QProcess::ProcessError
NORMAL_EXIT = 0  # QProcess::ExitStatus
NO_STATUS = -1


class QtProcess:
    """Collects output until it makes whole lines."""

    def __init__(self) -> None:
        self._process = qt.QProcess()
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
        process.setProcessChannelMode(qt.QProcess.MergedChannels)
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
        self._process.waitForFinished(END_MILLISECONDS)
