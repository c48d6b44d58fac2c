"""Outputs that appear whole and together, or not at all.

Files are written into a hidden temporary folder beside their targets (so on the same file
system), flushed to disk and only then moved into place. A temporary folder rather than a temporary
name lets formats of several files (.hdr with .img, .nhdr with .raw.gz) keep the names that they
refer to each other by.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..errors import OutputError
from .temporary import locked, moving, temporary_folder


@contextmanager
def atomic_outputs() -> Iterator[Callable[[Path], Path]]:
    """Give a function that maps each target to the path to write it at.

    When the block ends, everything written is moved into place. When it is left by an exception,
    KeyboardInterrupt included, no target has changed. Either way no temporary is left. Of two runs
    that write the same targets at once, all files are one run's: the one that moves last.

    Raises
    ------
    OutputError
        A file could not be written or moved.

    Examples
    --------
    >>> with atomic_outputs() as staged:
    ...     staged(Path("out.txt")).write_text("all or nothing")
    """
    temporaries: dict[Path, Path] = {}
    try:
        with ExitStack() as stack:

            def staged(target: Path) -> Path:
                folder = target.parent
                if folder not in temporaries:
                    stack.enter_context(_made(folder))
                    temporaries[folder] = stack.enter_context(temporary_folder(folder))
                return temporaries[folder] / target.name

            yield staged
            _flush_all(temporaries)
            _move_into_place(temporaries)
    except OSError as error:
        raise OutputError(
            f"The outputs could not be written ({error.strerror or error}); nothing was changed."
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
    """Refuse a target that cannot be written, by trying to, before any time is spent.

    Raises
    ------
    OutputError
        The target is a folder or write-protected, or its folder cannot be made or written to.
    """
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


def _flush_all(temporaries: dict[Path, Path]) -> None:
    """Bring everything to disk while nobody waits for a lock."""
    for temporary in temporaries.values():
        for staged in temporary.iterdir():
            _flush_to_disk(staged)


def _move_into_place(temporaries: dict[Path, Path]) -> None:
    """Move all staged files; if one cannot be moved, put back what was there before."""
    moves = [
        (staged, folder / staged.name)
        for folder, temporary in temporaries.items()
        for staged in sorted(temporary.iterdir())
    ]
    with ExitStack() as stack:
        # Sorted, so that two runs never wait for each other; once each, whatever it is called.
        for folder in sorted({folder.resolve() for folder in temporaries}):
            stack.enter_context(locked(folder))
        stack.enter_context(moving())
        touched: list[tuple[Path, Path | None]] = []
        try:
            for staged, target in moves:
                touched.append((target, _keep_previous(target, staged.parent.parent)))
                os.replace(staged, target)
        except BaseException:
            for target, previous in reversed(touched):
                _restore(target, previous)
            raise
    for folder in temporaries:
        _flush_to_disk(folder)


def _keep_previous(target: Path, temporary: Path) -> Path | None:
    """Return a second name for the file that a move is about to replace, or None."""
    if not os.path.lexists(target):
        return None
    folder = temporary / "previous"
    folder.mkdir(exist_ok=True)
    previous = folder / target.name
    try:
        os.link(target, previous, follow_symlinks=False)
    except (OSError, NotImplementedError):  # file systems without hard links
        shutil.copy2(target, previous, follow_symlinks=False)
    return previous


def _restore(target: Path, previous: Path | None) -> None:
    if previous is None:
        target.unlink(missing_ok=True)
    else:
        os.replace(previous, target)


def _flush_to_disk(path: Path) -> None:
    """fsync, so that after a power cut the name never points at an empty file."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
