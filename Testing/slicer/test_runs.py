"""Runs that go wrong or are cancelled, on a real scene in real processes.

The child's program is a stand-in (`child_stand_ins.py`); scene, nodes and processes are real.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from skullstrip.errors import Cancelled, EngineError, InputError
from SkullStripSlicer.logic import StripLogic
from Testing.slicer.child_stand_ins import HANGING, PipeProcess, script_process, wait_for
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
    assert wait_for(lambda: (run._child._process.pump(), run._child._pid)[1])
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


def close_scene(scene, volume) -> None:
    scene.Clear(0)


def remove_input(scene, volume) -> None:
    scene.RemoveNode(volume)


@pytest.mark.parametrize(
    ("disturb", "words"), [(close_scene, "scene was closed"), (remove_input, "was removed")]
)
def test_a_run_whose_scan_goes_away_ends_cleanly(
    volume, scene, tmp_path, temporary_files, disturb, words
):
    ended = []
    run, pids = start_hanging(volume, tmp_path / "pids", ended.append)
    disturb(scene, volume)
    assert wait_for(lambda: not any(map(is_running, pids)))
    assert isinstance(run.error, Cancelled)
    assert words in str(run.error)
    assert ended == [run]
    assert list(temporary_files.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ("os.abort()", EngineError, "exit status -6"),
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


def test_a_program_that_cannot_be_started_is_named(volume, temporary_files, monkeypatch):
    missing = "/nowhere/python"
    monkeypatch.setattr("SkullStripSlicer.child_process.pythonExecutable", lambda: missing)
    with pytest.raises(EngineError, match="cannot be started"):
        StripLogic(PipeProcess).strip(volume)
    assert list(temporary_files.iterdir()) == []
