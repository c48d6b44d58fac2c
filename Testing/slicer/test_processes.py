"""The child process: lines, exit status, end.

Real: the processes, QProcess. Stand-in: the way that PythonQt shows QProcess (`pythonqt.py`), and
the application's event loop, which is PySide6's.
"""

import sys

from SkullStripSlicer import child_process
from SkullStripSlicer.child_process import ChildProcess, Children
from Testing.slicer.panel_fixtures import wait_for

ANSWERING = "import sys\nfor line in sys.stdin: print('got', line.strip(), flush=True)"


def start(program, process=None):
    process = process or ChildProcess(lambda: [sys.executable, "-c", program])
    lines, finished = [], []
    process.serve("one", lines.append, finished.append)
    return process, lines, finished


def test_lines_come_whole_and_before_the_exit_status(qapp):
    program = (
        "import sys, time, os; sys.stdout.write('fir'); sys.stdout.flush(); time.sleep(0.3);"
        "print('st'); print('a' * 100000); print('e', file=sys.stderr); sys.exit(7)"
    )
    process, lines, finished = start(program)
    assert wait_for(lambda: finished)
    assert not process.isRunning
    assert lines[:2] == ["first", "a" * 100000] or "e" in lines[:2]
    assert set(lines) == {"first", "a" * 100000, "e"}
    assert finished == [7]


def test_a_process_that_was_not_named_yet_ends_with_the_program_that_started_it(qapp, tmp_path):
    """PythonSlicer starts Python, and is what Qt can end."""
    inner = "import sys; print(1, flush=True); sys.stdin.readlines(); open(sys.argv[1], 'w')"
    outer = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    command = [sys.executable, "-c", outer, inner, str(tmp_path / "ended")]
    process, lines, _ = start("", ChildProcess(lambda: command))
    assert wait_for(lambda: lines)
    process.end(None)
    assert wait_for((tmp_path / "ended").exists)


def test_one_that_waits_ends_after_a_while(qapp, monkeypatch):
    monkeypatch.setattr(child_process, "IDLE_MINUTES", 0.001)
    process, lines, finished = start(ANSWERING)
    assert wait_for(lambda: lines)
    process.rest()
    assert process.isRunning
    assert wait_for(lambda: not process.isRunning)
    assert finished == []  # of the run, which was over before


def test_one_process_waits_at_most_and_none_that_has_crashed(qapp):
    children = Children(lambda: ChildProcess(lambda: [sys.executable, "-c", ANSWERING]))
    both = [start("", children.take())[0] for _ in range(2)]
    assert both[0] is not both[1]  # two runs at once
    for process in both:
        children.rest(process)
    assert [process.isRunning for process in both] == [False, True]
    assert children.take() is both[1]
    children.rest(both[1])
    both[1]._process.kill()
    assert wait_for(lambda: not both[1].isRunning)
    assert children.take() not in both
