"""Temporaries of killed runs go, those of living ones stay."""

import os
import time
from pathlib import Path

import pytest

from skullstrip.io import temporary
from skullstrip.io.atomic import atomic_outputs
from skullstrip.io.temporary import (
    ABANDONED_SECONDS,
    MARKER,
    TEMPORARY_PREFIX,
    remove_abandoned_below,
    temporary_folder,
)
from Testing.image_files import names
from Testing.programs import start_python

fcntl = pytest.importorskip("fcntl", reason="Windows has no folder locks")

HOLD = """
import sys, time
from pathlib import Path
from skullstrip.io.temporary import temporary_folder
with temporary_folder(Path(sys.argv[1])) as path:
    (path / "half").write_text("half a file")
    print(path, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process with a temporary folder in `tmp_path`, and that folder."""
    process = start_python("-c", HOLD, tmp_path)
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


@pytest.mark.parametrize("where", ["the same", "any below"])
def test_a_temporary_of_a_killed_run_is_removed_by_the_next(tmp_path, holder, where):
    process, _ = holder
    process.kill()
    process.wait()
    assert len(names(tmp_path)) == 1
    if where == "any below":
        remove_abandoned_below(tmp_path.parent)
    else:
        with temporary_folder(tmp_path) as mine:
            assert names(tmp_path) == [mine.parent.name]
    assert names(tmp_path) == []


def test_a_temporary_of_a_living_run_is_kept(tmp_path, holder):
    _, path = holder
    with temporary_folder(tmp_path) as mine:
        assert {str(tmp_path / name / "new") for name in names(tmp_path)} == {path, str(mine)}
    assert names(tmp_path) == [Path(path).parent.name]


@pytest.mark.parametrize(("age", "is_kept"), [(60, True), (ABANDONED_SECONDS + 60, False)])
def test_another_hosts_temporary_is_removed_when_it_is_old(tmp_path, age, is_kept):
    theirs = tmp_path / f"{TEMPORARY_PREFIX}elsewhere-abc"
    theirs.mkdir()
    (theirs / MARKER).touch()
    os.utime(theirs, (time.time() - age,) * 2)
    with temporary_folder(tmp_path):
        assert theirs.exists() == is_kept


def test_what_has_such_a_name_and_is_not_ours_is_left_alone(tmp_path):
    kept = [tmp_path / name for name in ("kept", *(
        f"{TEMPORARY_PREFIX}{host}-work" for host in ("elsewhere", temporary._host())
    ))]  # fmt: skip
    for folder in kept:
        folder.mkdir()
        (folder / "thesis.txt").write_text("kept")
        os.utime(folder, (1, 1))
    (tmp_path / f"{TEMPORARY_PREFIX}link").symlink_to(kept[0])
    (tmp_path / f"{TEMPORARY_PREFIX}file").write_text("kept")
    with temporary_folder(tmp_path):
        pass
    assert all((folder / "thesis.txt").read_text() == "kept" for folder in kept)
    assert len(names(tmp_path)) == 5


def test_without_locks_outputs_are_written_all_the_same(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError("no locks on this file system")

    monkeypatch.setattr(fcntl, "flock", refused)
    young = tmp_path / f"{TEMPORARY_PREFIX}{temporary._host()}-abc"
    young.mkdir()
    with atomic_outputs() as staged:
        staged(tmp_path / "out").write_text("out")
    assert names(tmp_path) == [young.name, "out"]


def test_a_folder_of_many_files_is_searched_once_by_each_process(tmp_path, monkeypatch):
    searched = []
    monkeypatch.setattr(temporary, "remove_abandoned", searched.append)
    for _ in range(3):
        with temporary_folder(tmp_path):
            pass
    assert searched == [tmp_path]
