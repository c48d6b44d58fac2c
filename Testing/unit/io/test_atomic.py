"""Outputs appear whole and together, or not at all."""

import os
from pathlib import Path

import pytest

from skullstrip.errors import OutputError
from skullstrip.io.atomic import atomic_outputs, require_writable
from Testing.image_files import names


def test_files_appear_only_when_the_block_ends_as_any_new_file(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
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


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_nothing_new_and_the_old_untouched(tmp_path, error):
    (tmp_path / "old.txt").write_text("old")
    with pytest.raises(error), atomic_outputs() as staged:
        for name in ("old.txt", "new.txt"):
            staged(tmp_path / name).write_text("new")
        raise error
    assert names(tmp_path) == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"


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


def test_a_device_or_a_pipe_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(os.devnull)
    for target in (tmp_path / "pipe", tmp_path / "link", Path(os.devnull)):
        with pytest.raises(OutputError, match="device or a pipe"):
            require_writable(target)


@pytest.mark.parametrize("name", ["x" * 256, "null\0character"])
def test_a_name_that_is_too_long_is_refused_before_the_run(tmp_path, name):
    with pytest.raises(OutputError, match=r"cannot be written .*; name another output\.$"):
        require_writable(tmp_path / name)
