"""Outputs that appear whole and together, or not at all.

Files are written into a hidden temporary folder beside their targets (so on the same file
system), flushed to disk and only then moved into place. A temporary folder rather than a temporary
name lets formats of several files (.hdr with .img, .nhdr with .raw.gz) keep the names that they
refer to each other by.

A run holds a lock on its temporary folder for as long as it lives; the system lets go of it when
the process ends, however it ends. So the next run that writes into the same place can tell a
temporary in use from one left by a power cut or SIGKILL, and removes the latter. An empty file
inside proves a folder to be ours: others may call theirs by such a name.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..errors import OutputError, reason_of

TEMPORARY_PREFIX = ".skullstrip-"
MARKER = ".made-by-skullstrip"
ABANDONED_SECONDS = 24 * 3600.0  # where locks tell nothing: Windows, other hosts' files
_looked_at: set[Path] = set()  # folders that this process has searched for abandoned temporaries
_own: set[Path] = set()  # temporaries of this process
_moving = threading.RLock()  # held while files are moved into place, and for ever by an end
_moves = 0


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
                    temporaries[folder] = stack.enter_context(temporary_folder(folder))
                return temporaries[folder] / target.name

            yield staged
            _move_into_place(temporaries, moved)
    except OSError as error:
        changed = f"only {', '.join(moved)} changed" if moved else "nothing was changed"
        raise OutputError(
            f"The outputs could not be written ({reason_of(error)}); {changed}."
        ) from error


def require_writable(target: Path) -> None:
    """Raise OutputError for a target that cannot be written, by trying to, before time is spent."""
    try:
        _refuse_target(target)
        with temporary_folder(target.parent) as temporary:
            (temporary / target.name).touch()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise OutputError(
            f"{target} cannot be written ({reason_of(error)}); name another output."
        ) from error


def _refuse_target(target: Path) -> None:
    if target.is_dir():
        raise OutputError(f"{target} is a folder; name a file to write.")
    # Replacing /dev/null would harm the machine, and so would /dev/stdout, a link that leads to a
    # file wherever the output of the command goes into one.
    is_systems = target.is_symlink() and str(target.readlink()).startswith(("/proc/", "/dev/"))
    if is_systems or (target.exists() and not target.is_file()):
        raise OutputError(f"{target} is a device or a pipe; name an ordinary file.")
    if target.exists() and not os.access(target, os.W_OK):
        raise OutputError(f"{target} is write-protected; name another output.")


def _move_into_place(temporaries: dict[Path, Path], moved: list[str]) -> None:
    """Move all staged files, which are flushed before; `moved` gets their names."""
    from concurrent.futures import ThreadPoolExecutor

    global _moves  # noqa: PLW0603  (of the process, as its temporaries are)
    pairs = [
        (staged, folder / staged.name)
        for folder, temporary in temporaries.items()
        for staged in sorted(temporary.iterdir())
    ]
    for staged, target in pairs:
        _flush_to_disk(staged)
        _refuse_target(target)

    def move() -> None:
        for staged, target in pairs:
            os.replace(staged, target)
            moved.append(target.name)

    with _moving, ThreadPoolExecutor(1) as thread:  # where no Ctrl-C comes in between
        thread.submit(move).result()
        _moves += 1
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


def moves() -> int:
    """Return how often this process has moved files into place."""
    return _moves


def end_unwritten(status: int, *, since: int | None = None, say: bytes = b"") -> None:
    """End this process now, from whatever thread, with its temporaries removed.

    Files that are on their way into their places get there first. `since` is what `moves` said when
    the run began: if files have been moved since, its work is done, and this returns instead. `say`
    are last words, for stderr.
    """
    _moving.acquire()
    if since is not None and _moves > since:
        _moving.release()
        return
    for _ in range(3):  # the main thread may write on meanwhile
        for path in tuple(_own):
            shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError, ValueError, AttributeError):  # a stream that is closed, or is no file
        os.write(sys.stderr.fileno(), say)
    os._exit(status)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Give a new folder, inside a hidden one in `parent`; remove it, and others' abandoned ones.

    A `parent` that is not there is made, and goes again if nothing is put into it.
    """
    missing = [each for each in (parent, *parent.parents) if not each.exists()]
    path = parent / f"{TEMPORARY_PREFIX}{_host()}-{secrets.token_hex(4)}"
    _own.add(path)
    with ExitStack() as stack:
        for _ in range(2):  # Ctrl-C may come into the first
            stack.callback(_remove, path, missing)
        parent.mkdir(parents=True, exist_ok=True)
        # Once in each process: a worker writes thousands of scans into a folder of as many files,
        # and listing it every time would take longer than the scan.
        if parent not in _looked_at:
            _looked_at.add(parent)
            remove_abandoned(parent)
        path.mkdir(mode=0o700)
        stack.enter_context(_locked(path))
        (path / MARKER).touch()  # after the lock: without it nobody takes it for abandoned
        (path / "new").mkdir()
        yield path / "new"


def _remove(path: Path, parents: list[Path]) -> None:
    """Remove a temporary folder, and those of the folders above it that were made for it."""
    shutil.rmtree(path, ignore_errors=True)
    _own.discard(path)
    _looked_at.discard(path / "new")  # where outputs are staged, others may be, too
    for each in parents:
        with suppress(OSError):  # it holds something
            each.rmdir()


def remove_abandoned(folder: Path, *, below: bool = False) -> None:
    """Remove the temporaries whose runs are gone, in a folder, and perhaps in the folders in it.

    Locks are trusted for this host's; others' must be old.
    """
    with suppress(OSError):  # a folder that may be written into but not listed
        for path in list((folder.rglob if below else folder.glob)(f"{TEMPORARY_PREFIX}*")):
            if not path.is_dir() or path.is_symlink() or not (path / MARKER).is_file():
                continue
            is_abandoned = None
            if path.name.startswith(f"{TEMPORARY_PREFIX}{_host()}-"):
                with _locked(path) as is_abandoned:
                    pass
            if is_abandoned is None:
                is_abandoned = time.time() - path.stat().st_mtime > ABANDONED_SECONDS
            if is_abandoned:
                shutil.rmtree(path, ignore_errors=True)


def _host() -> str:
    return re.sub("[^A-Za-z0-9]", "", platform.node())[:32]


@contextmanager
def _locked(path: Path) -> Iterator[bool | None]:
    """Hold a folder's lock; gives False where somebody else holds it, None without locks."""
    with ExitStack() as stack:
        is_held: bool | None = None
        with suppress(ImportError, OSError):  # Windows, and a folder that may not be listed
            import fcntl

            descriptor = os.open(path, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_held = True
            except BlockingIOError:
                is_held = False
        yield is_held
