"""The three makes of child process do the same: lines, exit status, end.

Real: the processes, `slicer.util.launchConsoleProcess`, QProcess. Stand-in: the way that PythonQt
shows QProcess (`pythonqt.py`), and the application's event loop, which is PySide6's.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module

import pytest

pytest.importorskip("PySide6")

MAKES = ("PipeProcess", "ConsoleProcess", "QtProcess")
END_SECONDS = 2.0


def make(name: str):
    module = {"PipeProcess": "pipe", "ConsoleProcess": "console", "QtProcess": "qt"}[name]
    sys.modules.pop("SkullStripSlicer.qt_process", None)  # it keeps the `qt` of its import
    return getattr(import_module(f"SkullStripSlicer.{module}_process"), name)()


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


@pytest.mark.parametrize(("launch", "kind"), [(True, "ConsoleProcess"), (False, "QtProcess")])
def test_the_make_follows_what_this_slicer_offers(qapp, monkeypatch, launch: bool, kind) -> None:
    from SkullStripSlicer import child_process

    monkeypatch.setattr(child_process, "hasNonBlockingLaunch", lambda: launch)
    assert type(child_process.createProcess()).__name__ == kind


def test_this_slicer_reports_lines_by_callback() -> None:
    from SkullStripSlicer.child_process import hasNonBlockingLaunch

    assert hasNonBlockingLaunch()
