"""Outputs appear whole and together, or not at all; temporaries of killed runs go."""

import os
import signal
import time
from pathlib import Path

import pytest

from skullstrip.errors import OutputError
from skullstrip.io import atomic
from skullstrip.io.atomic import (
    ABANDONED_SECONDS,
    MARKER,
    TEMPORARY_PREFIX,
    atomic_outputs,
    remove_abandoned,
    require_writable,
    temporary_folder,
)
from Testing.image_files import names


def test_files_appear_only_when_the_block_ends_as_any_new_file(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    with atomic_outputs() as staged:
        for folder in folders:
            staged(folder / "same").write_text(folder.name)
            assert not (folder / "same").exists()
    for folder in folders:
        assert names(folder) == ["same"]
        assert (folder / "same").read_text() == folder.name
    (tmp_path / "plain").touch()
    assert (tmp_path / "a" / "same").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_companion_file_written_beside_the_staged_one_moves_with_it(tmp_path):
    with atomic_outputs() as staged:
        header = staged(tmp_path / "scan.hdr")
        header.write_text("header")
        header.with_suffix(".img").write_text("voxels")
    assert names(tmp_path) == ["scan.hdr", "scan.img"]


def test_a_folder_in_a_targets_place_is_noticed_before_anything_moves(tmp_path):
    (tmp_path / "z.txt").mkdir()
    with pytest.raises(OutputError, match="is a folder"), atomic_outputs() as staged:
        for name in ("a.txt", "z.txt"):
            staged(tmp_path / name).write_text("new")
    assert names(tmp_path) == ["z.txt"]


def test_where_a_move_fails_the_message_says_what_has_changed(tmp_path, monkeypatch):
    replace = os.replace

    def fail(source, target):
        if Path(target).name == "b.txt":
            raise PermissionError(13, os.strerror(13))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    refused = pytest.raises(OutputError, match=r"Permission denied\); only a.txt changed")
    with refused, atomic_outputs() as staged:
        for name in ("a.txt", "b.txt"):
            staged(tmp_path / name).write_text("new")
    assert names(tmp_path) == ["a.txt"]


def test_an_interrupt_comes_after_the_files_are_moved_and_temporaries_removed(
    tmp_path, monkeypatch
):
    for name, work in (("replace", os.replace), ("rmdir", os.rmdir)):

        def interrupted(*arguments, work=work, **options):
            monkeypatch.undo()
            work(*arguments, **options)
            signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(os, name, interrupted)
        with pytest.raises(KeyboardInterrupt), atomic_outputs() as staged:
            for each in ("a.txt", "b.txt"):
                staged(tmp_path / each).write_text(name)
        assert names(tmp_path) == ["a.txt", "b.txt"]
        assert (tmp_path / "b.txt").read_text() == name


def test_a_symbolic_link_is_replaced_and_its_file_kept(tmp_path):
    (tmp_path / "kept.txt").write_text("kept")
    (tmp_path / "link.txt").symlink_to("kept.txt")
    with atomic_outputs() as staged:
        staged(tmp_path / "link.txt").write_text("new")
    assert [(tmp_path / f"{name}.txt").read_text() for name in ("kept", "link")] == ["kept", "new"]


def test_names_may_be_as_long_as_the_file_system_allows(tmp_path):
    name = "ü" * 125 + "x.txt"  # 255 bytes
    for content in ("first", "second"):  # the second keeps the first until the move
        with atomic_outputs() as staged:
            staged(tmp_path / name).write_text(content)
    assert (tmp_path / name).read_text() == "second"
    assert names(tmp_path) == [name]


def test_asking_whether_a_target_is_writable_leaves_nothing(tmp_path):
    require_writable(tmp_path / "out")
    require_writable(tmp_path / "new" / "folder" / "out")
    assert names(tmp_path) == []


def test_what_cannot_be_written_is_refused_before_the_run(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(os.devnull)
    (tmp_path / "file").touch()
    with (tmp_path / "file").open() as file:  # as /dev/stdout is, where output goes into a file
        (tmp_path / "stdout").symlink_to(f"/proc/self/fd/{file.fileno()}")
        assert (tmp_path / "stdout").is_file()
        with pytest.raises(OutputError, match="device or a pipe"):
            require_writable(tmp_path / "stdout")
    for target in (tmp_path / "pipe", tmp_path / "link", Path(os.devnull)):
        with pytest.raises(OutputError, match="device or a pipe"):
            require_writable(target)
    for name in ("x" * 256, "null\0character"):
        with pytest.raises(OutputError, match=r"cannot be written .*; name another output\.$"):
            require_writable(tmp_path / name)


# ---- temporaries of other runs -------------------------------------------------------------------


def test_a_batch_removes_the_temporary_of_a_killed_run_and_keeps_that_of_a_living_one(tmp_path):
    pytest.importorskip("fcntl", reason="Windows has no folder locks")
    with temporary_folder(tmp_path / "in") as living:
        killed = tmp_path / "in" / f"{TEMPORARY_PREFIX}{atomic._host()}-abc"
        killed.mkdir()
        (killed / MARKER).touch()
        remove_abandoned(tmp_path, below=True)
        assert names(tmp_path / "in") == [living.parent.name]


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
        f"{TEMPORARY_PREFIX}{host}-work" for host in ("elsewhere", atomic._host())
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

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", refused)
    young = tmp_path / f"{TEMPORARY_PREFIX}{atomic._host()}-abc"
    young.mkdir()
    with atomic_outputs() as staged:
        staged(tmp_path / "out").write_text("out")
    assert names(tmp_path) == [young.name, "out"]
