"""A child process by `slicer.util.launchConsoleProcess`, as Slicer 5.12 has it."""

from __future__ import annotations

from collections.abc import Callable

import slicer

from .child_process import endProcessTree

END_SECONDS = 2.0


class ConsoleProcess:
    """Slicer's own helper: no console window on Windows, callbacks from the event loop."""

    def start(
        self,
        command: list[str],
        folder: str,
        onLine: Callable[[str], None],
        onFinished: Callable[[int], None],
    ) -> None:
        """As `ChildProcess.start`."""
        self._process = slicer.util.launchConsoleProcess(
            command,
            useStartupEnvironment=False,
            cwd=folder,
            blocking=False,
            logCallback=onLine,
            completedCallback=onFinished,
        )

    def pump(self) -> None:
        """As `ChildProcess.pump`."""
        slicer.app.processEvents()

    def end(self, pid: int | None) -> None:
        """As `ChildProcess.end`. PythonSlicer may be a launcher, so its child comes first."""
        if pid is not None:
            endProcessTree(pid)
        self._process.kill()
        self._process.wait(END_SECONDS)
