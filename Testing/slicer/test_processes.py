"""The child process: lines, exit status, end.

Real: the processes, QProcess. Stand-in: the way that PythonQt shows QProcess (`pythonqt.py`), and
the application's event loop, which is PySide6's.
"""

from __future__ import annotations

import sys

import pytest

from SkullStripSlicer.child_process import ChildProcess
from Testing.slicer.panel_fixtures import wait_for

pytest.importorskip("PySide6")


def run(program: str, folder):
    lines, finished, process = [], [], ChildProcess()
    process.start([sys.executable, "-c", program], str(folder), lines.append, finished.append)
    assert wait_for(lambda: (process.pump(), finished)[1])
    return lines, finished


def test_lines_come_whole_and_before_the_exit_status(qapp, tmp_path):
    program = (
        "import sys, time, os; sys.stdout.write('fir'); sys.stdout.flush(); time.sleep(0.3);"
        "print('st'); print('a' * 100000); print(os.getcwd()); print('e', file=sys.stderr);"
        "sys.exit(7)"
    )
    lines, finished = run(program, tmp_path)
    assert lines[:3] == ["first", "a" * 100000, str(tmp_path)] or "e" in lines[:3]
    assert set(lines) == {"first", "a" * 100000, str(tmp_path), "e"}
    assert finished == [7]


def test_a_crash_has_a_status_that_is_not_zero(qapp, tmp_path):
    _, (status,) = run("import os; os.abort()", tmp_path)
    assert status != 0


def test_it_can_be_ended(qapp, tmp_path):
    process, lines, finished = ChildProcess(), [], []
    program = "import time; print('up', flush=True); time.sleep(600)"
    process.start([sys.executable, "-c", program], str(tmp_path), lines.append, finished.append)
    assert wait_for(lambda: "up" in lines)
    process.end(None)
    assert wait_for(lambda: finished)
