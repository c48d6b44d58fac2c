"""A child process read by a thread, for where no Qt event loop runs."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Callable
from typing import Any

from .child_process import endProcessTree

END_SECONDS = 2.0


class PipeProcess:
    """Lines wait in a queue until `pump` delivers them."""

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
