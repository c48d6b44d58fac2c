"""Temporary folders beside the outputs, and what becomes of those whose run was killed.

A run holds a lock on its temporary folder for as long as it lives; the system lets go of it when
the process ends, however it ends. So the next run that writes into the same place can tell a
temporary in use from one left by a power cut or SIGKILL, and removes the latter. An empty file
inside proves a folder to be ours: others may call theirs by such a name.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

TEMPORARY_PREFIX = ".skullstrip-"
MARKER = ".made-by-skullstrip"
ABANDONED_SECONDS = 24 * 3600.0  # where locks tell nothing: Windows, other hosts' files
_looked_at: set[Path] = set()  # folders that this process has searched for abandoned temporaries
_own: set[Path] = set()  # temporaries of this process
_moving = threading.RLock()  # held while files are moved into place, and for ever by an end
_moves = 0


@contextmanager
def moving() -> Iterator[None]:
    """Keep `end_unwritten` from ending this process while files are moved into place."""
    global _moves  # noqa: PLW0603  (of the process, as its temporaries are)
    with _moving:
        yield
        _moves += 1


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
    """Give a new folder, inside a hidden one in `parent`; remove it, and others' abandoned ones."""
    # Once in each process: a worker writes thousands of scans into a folder of as many files, and
    # listing it every time would take longer than the scan.
    if parent not in _looked_at:
        _looked_at.add(parent)
        remove_abandoned(parent)
    path = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}{_host()}-", dir=parent))
    _own.add(path)
    with _locked(path):
        try:
            (path / MARKER).touch()  # after the lock: without it nobody takes it for abandoned
            (path / "new").mkdir()
            yield path / "new"
        finally:
            shutil.rmtree(path, ignore_errors=True)
            _own.discard(path)
            _looked_at.discard(path / "new")  # where outputs are staged, others may be, too


def remove_abandoned(parent: Path) -> None:
    """Remove the temporaries in a folder whose runs are gone."""
    with suppress(OSError):  # a folder that may be written into but not listed
        for path in parent.glob(f"{TEMPORARY_PREFIX}*"):
            is_ours = path.is_dir() and not path.is_symlink() and (path / MARKER).is_file()
            if is_ours and _is_abandoned(path):
                shutil.rmtree(path, ignore_errors=True)


def remove_abandoned_below(folder: Path) -> None:
    """Remove the temporaries in a folder, and in the folders in it, whose runs are gone."""
    with suppress(OSError):
        for parent in {path.parent for path in folder.rglob(f"{TEMPORARY_PREFIX}*")}:
            remove_abandoned(parent)


def _is_abandoned(path: Path) -> bool:
    """Locks are trusted for this host's folders; others' must be old."""
    if path.name.startswith(f"{TEMPORARY_PREFIX}{_host()}-"):
        with _locked(path) as is_held:
            if is_held is not None:
                return is_held
    return time.time() - path.stat().st_mtime > ABANDONED_SECONDS


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
