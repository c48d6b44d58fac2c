"""Runs that go wrong or are cancelled, on a real scene in real processes.

The child's program is a stand-in (`child_stand_ins.py`); scene, nodes and processes are real.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from skullstrip.errors import Cancelled, EngineError, InputError
from SkullStripSlicer.logic import StripLogic
from Testing.slicer.child_stand_ins import HANGING, STAYING, script_process, wait_for
from Testing.slicer.scene import nodeIds


def is_running(pid: int) -> bool:
    """Whether a process still runs; one that waits to be collected does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rsplit(")", 1)[1].split()[0] not in ("Z", "X")


def start_hanging(volume, pids: Path, finished):
    logic = StripLogic(script_process(HANGING))
    run = logic.strip(volume, weights=str(pids), finished=finished)
    assert wait_for(lambda: run._pid)
    return run, [int(pid) for pid in pids.read_text().split()]


def test_cancel_ends_the_child_and_its_children_and_leaves_nothing(
    volume, scene, tmp_path, temporary_files
):
    ended, before = [], nodeIds(scene)
    run, pids = start_hanging(volume, tmp_path / "pids", ended.append)
    assert all(map(is_running, pids))
    run.cancel()
    assert wait_for(lambda: not any(map(is_running, pids)))
    assert list(temporary_files.iterdir()) == []
    assert ended == [run]
    assert isinstance(run.error, Cancelled)
    assert nodeIds(scene) == before


def test_a_run_whose_scan_is_removed_ends_cleanly(volume, scene, tmp_path, temporary_files):
    ended = []
    run, pids = start_hanging(volume, tmp_path / "pids", ended.append)
    scene.RemoveNode(volume)
    assert wait_for(lambda: not any(map(is_running, pids)))
    assert isinstance(run.error, Cancelled)
    assert "was removed" in str(run.error)
    assert ended == [run]
    assert list(temporary_files.iterdir()) == []


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
    missing = "/nowhere/python"
    monkeypatch.setattr("SkullStripSlicer.child_process.pythonExecutable", lambda: missing)
    with pytest.raises(EngineError, match="No such file"):
        StripLogic().strip(volume)
    assert list(temporary_files.iterdir()) == []


def test_the_next_run_is_served_by_the_process_that_waits(volume, scene, temporary_files):
    logic, pids = StripLogic(script_process(STAYING)), []
    for _ in range(2):
        run = logic.strip(volume, finished=lambda _: None)
        assert wait_for(lambda run=run: run.isFinished)
        assert run.error is None
        pids.append(run._pid)
    assert pids[0] == pids[1]
    assert list(temporary_files.iterdir()) == []
    logic.children.end()
    assert wait_for(lambda: not is_running(pids[0]))


@pytest.mark.parametrize("end", ["crash", "cancel"])
def test_a_run_that_ends_badly_in_a_process_that_waited_is_told_and_the_next_has_a_new_one(
    volume, tmp_path, end
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
    logic.children.end()
