"""Child processes, and runs in them that go wrong or are cancelled.

Real: processes and QProcess, scene and nodes. Stand-ins: the child's program
(`child_stand_ins.py`), and the way that PythonQt shows QProcess (`pythonqt.py`).
"""

import sys

import pytest

from skullstrip.errors import Cancelled, EngineError, InputError
from SkullStripSlicer import child_process
from SkullStripSlicer.child_process import ChildProcess, Children
from SkullStripSlicer.logic import StripLogic
from Testing.slicer.child_stand_ins import STAYING, is_running, script_process, wait_for
from Testing.slicer.scene import nodeIds


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ("os.abort()", EngineError, "exit status -1"),
        ("print('Illegal instruction in libfoo'); sys.exit(3)", EngineError, "Illegal instr"),
        ("print('@skullstrip {{{'); print('[1]' * 9)", EngineError, "exit status 0"),
        ("print(MARK + '[]'); print(MARK + '{\"event\": 3}')", EngineError, "exit status 0"),
        ("sys.stdout.buffer.write(bytes(range(256)))", EngineError, "exit status 0"),
        ("emit(event='error', message='No head.', exit_code=2); sys.exit(2)", InputError, "No he"),
        ("emit(event='error', message='No GPU.', exit_code=1); sys.exit(1)", EngineError, "No GPU"),
        ("emit(event='result', report={})", InputError, "cannot be read"),
        ("Path(request['output']).write_bytes(b'PK'); emit(event='result', report={})",
         InputError, "cannot be read"),
    ],
)  # fmt: skip
def test_a_child_that_fails_gives_one_error_and_changes_nothing(
    volume, scene, temporary_files, script, kind, words
):
    before = nodeIds(scene)
    with pytest.raises(kind, match=words) as caught:
        StripLogic(script_process(script)).strip(volume)
    assert "\n" not in str(caught.value)
    assert nodeIds(scene) == before
    assert list(temporary_files.iterdir()) == []


def test_a_program_that_cannot_be_started_is_told_of(volume, temporary_files, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: "/nowhere/python")
    with pytest.raises(EngineError, match="No such file"):
        StripLogic().strip(volume)
    assert list(temporary_files.iterdir()) == []


@pytest.mark.parametrize("end", ["crash", "cancel"])
def test_a_run_that_ends_badly_in_a_process_that_waited_is_told_and_the_next_has_a_new_one(
    volume, tmp_path, temporary_files, end
):
    fatal = tmp_path / "fatal"
    act = {"crash": "os.abort()", "cancel": "time.sleep(600)"}[end]
    script = STAYING.replace("emit(", f"Path({str(fatal)!r}).exists() and {act}\n    emit(", 1)
    logic, pids = StripLogic(script_process(script)), []

    def strip():
        run = logic.strip(volume, finished=lambda _: None)
        pids.append(run._process._process.processId())
        return run

    def ended(run):
        return wait_for(lambda: run.isFinished)

    assert ended(strip())
    fatal.touch()
    failed = strip()
    if end == "cancel":
        failed.cancel()
    assert ended(failed)
    assert isinstance(failed.error, {"crash": EngineError, "cancel": Cancelled}[end])
    assert {"crash": "ended unexpectedly", "cancel": "cancelled"}[end] in str(failed.error)
    fatal.unlink()
    last = strip()
    assert ended(last)
    assert last.error is None
    assert pids[0] == pids[1] != pids[2]
    assert not is_running(pids[0])
    assert list(temporary_files.iterdir()) == []
    logic.children.end()
    assert wait_for(lambda: not is_running(pids[2]))


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
