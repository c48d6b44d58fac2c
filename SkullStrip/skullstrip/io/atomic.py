"""Outputs that appear whole and together, or not at all.

Files are written into a hidden temporary folder beside their targets (so on the same file
system), flushed to disk and only then moved into place. A temporary folder rather than a temporary
name lets formats of several files (.hdr with .img, .nhdr with .raw.gz) keep the names that they
refer to each other by.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..errors import OutputError
from .temporary import moving, temporary_folder


@contextmanager
def atomic_outputs() -> Iterator[Callable[[Path], Path]]:
    """Give a function that maps each target to the path to write it at.

    When the block ends, everything written is moved into place. When it is left by an exception,
    KeyboardInterrupt included, no target has changed. Either way no temporary is left. Raise
    OutputError where a file could not be written or moved; the message says what has changed.
    """
    temporaries: dict[Path, Path] = {}
    moved: list[str] = []
    try:
        with ExitStack() as stack:

            def staged(target: Path) -> Path:
                folder = target.parent
                if folder not in temporaries:
                    stack.enter_context(_made(folder))
                    temporaries[folder] = stack.enter_context(temporary_folder(folder))
                return temporaries[folder] / target.name

            yield staged
            _move_into_place(temporaries, moved)
    except OSError as error:
        changed = f"only {', '.join(moved)} changed" if moved else "nothing was changed"
        raise OutputError(
            f"The outputs could not be written ({error.strerror or error}); {changed}."
        ) from error


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder that is not there; if nothing is put into it, it goes again."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for each in missing:
            with suppress(OSError):  # it holds something
                each.rmdir()


def require_writable(target: Path) -> None:
    """Raise OutputError for a target that cannot be written, by trying to, before time is spent."""
    try:
        _refuse_target(target)
        with _made(target.parent), temporary_folder(target.parent) as temporary:
            (temporary / target.name).touch()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{target} cannot be written ({reason}); name another output.") from error


def _refuse_target(target: Path) -> None:
    if target.is_dir():
        raise OutputError(f"{target} is a folder; name a file to write.")
    if target.exists() and not target.is_file():  # replacing /dev/null would harm the machine
        raise OutputError(f"{target} is a device or a pipe; name an ordinary file.")
    if target.exists() and not os.access(target, os.W_OK):
        raise OutputError(f"{target} is write-protected; name another output.")


def _move_into_place(temporaries: dict[Path, Path], moved: list[str]) -> None:
    """Move all staged files, which are flushed before; `moved` gets their names."""
    moves = [
        (staged, folder / staged.name)
        for folder, temporary in temporaries.items()
        for staged in sorted(temporary.iterdir())
    ]
    for staged, target in moves:
        _flush_to_disk(staged)
        _refuse_target(target)
    with moving():
        for staged, target in moves:
            os.replace(staged, target)
            moved.append(target.name)
    for folder in temporaries:
        _flush_to_disk(folder)


def _flush_to_disk(path: Path) -> None:
    """fsync, so that after a power cut the name never points at an empty file."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
