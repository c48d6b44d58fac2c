"""Both makes of child process do the same: lines, exit status, end.

Real: the processes, QProcess. Stand-in: the way that PythonQt
shows QProcess (`pythonqt.py`), and the application's event loop, which is PySide6's.
"""

from __future__ import annotations

import sys
import time

import pytest
import slicer

from SkullStripSlicer import child_process

pytest.importorskip("PySide6")

MAKES = ("PipeProcess", "QtProcess")
END_SECONDS = 2.0


def make(name: str):
    return getattr(child_process, name)()


def run(process, program: str, folder, seconds: float = 20):
    lines, finished = [], []
    process.start([sys.executable, "-c", program], str(folder), lines.append, finished.append)
    end = time.monotonic() + seconds
    while not finished and time.monotonic() < end:
        process.pump()
        time.sleep(0.01)
    return lines, finished


@pytest.mark.parametrize("name", MAKES)
def test_lines_come_whole_and_before_the_exit_status(qapp, tmp_path, name: str) -> None:
    program = (
        "import sys, time, os; sys.stdout.write('fir'); sys.stdout.flush(); time.sleep(0.3);"
        "print('st'); print('a' * 100000); print(os.getcwd()); print('e', file=sys.stderr);"
        "sys.exit(7)"
    )
    lines, finished = run(make(name), program, tmp_path)
    assert lines[:3] == ["first", "a" * 100000, str(tmp_path)] or "e" in lines[:3]
    assert set(lines) == {"first", "a" * 100000, str(tmp_path), "e"}
    assert finished == [7]


@pytest.mark.parametrize("name", MAKES)
def test_a_crash_has_a_status_that_is_not_zero(qapp, tmp_path, name: str) -> None:
    _, (status,) = run(make(name), "import os; os.abort()", tmp_path)
    assert status != 0


@pytest.mark.parametrize("name", MAKES)
def test_end_is_quick(qapp, tmp_path, name: str) -> None:
    process = make(name)
    lines: list[str] = []
    program = "import time; print('up', flush=True); time.sleep(600)"
    process.start([sys.executable, "-c", program], str(tmp_path), lines.append, lambda _: None)
    begin = time.monotonic()
    while "up" not in lines and time.monotonic() - begin < 20:
        process.pump()
        time.sleep(0.01)
    begin = time.monotonic()
    process.end(None)
    assert time.monotonic() - begin < END_SECONDS


def test_without_an_application_a_pipe_serves(qapp, monkeypatch) -> None:
    assert isinstance(child_process.createProcess(), child_process.QtProcess)
    monkeypatch.setattr(slicer, "app", None)
    assert isinstance(child_process.createProcess(), child_process.PipeProcess)
