"""Temporary folders beside the outputs, and what becomes of those whose run was killed.

A run holds a lock on its temporary folder for as long as it lives; the system lets go of it when
the process ends, however it ends. So the next run that writes into the same place can tell a
temporary in use from one left by a power cut or SIGKILL, and removes the latter.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY_PREFIX = ".skullstrip-"
LOCK_SECONDS = 10.0  # nobody holds a folder's lock for longer than a few renames take
ABANDONED_SECONDS = 24 * 3600.0  # where locks tell nothing: Windows, other hosts' files
_looked_at: set[Path] = set()  # folders that this process has searched for abandoned temporaries


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Give a new hidden folder inside `parent`; remove it, and others' abandoned ones.

    Raises
    ------
    OSError
        No folder can be made there.
    """
    with locked(parent):
        # Once in each process: a worker writes thousands of scans into a folder of as many files,
        # and listing it every time would take longer than the scan.
        if parent not in _looked_at:
            _looked_at.add(parent)
            remove_abandoned(parent)
        path = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}{_host()}-", dir=parent))
        owner = _open_folder(path)
        if owner is not None:
            _try_lock(owner)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if owner is not None:
            os.close(owner)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs from making temporaries in a folder or moving files into it meanwhile.

    Where the file system has no locks, or somebody holds this one for too long, goes on without.
    """
    descriptor = _open_folder(folder)
    if descriptor is None:
        yield
        return
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while _try_lock(descriptor) is False and time.monotonic() < deadline:
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)  # which unlocks


def remove_abandoned(parent: Path) -> None:
    """Remove the temporaries in a folder whose runs are gone."""
    with suppress(OSError):  # a folder that may be written into but not listed
        for path in parent.glob(f"{TEMPORARY_PREFIX}*"):
            if path.is_dir() and not path.is_symlink() and _is_abandoned(path):
                shutil.rmtree(path, ignore_errors=True)


def _is_abandoned(path: Path) -> bool:
    """Locks are trusted for this host's folders; others' must be old."""
    if path.name.startswith(f"{TEMPORARY_PREFIX}{_host()}-"):
        descriptor = _open_folder(path)
        if descriptor is not None:
            try:
                is_ours = _try_lock(descriptor)
            finally:
                os.close(descriptor)
            if is_ours is not None:
                return is_ours
    return time.time() - path.stat().st_mtime > ABANDONED_SECONDS


def _host() -> str:
    return re.sub("[^A-Za-z0-9]", "", platform.node())[:32]


def _open_folder(path: Path) -> int | None:
    """A descriptor to lock; None on Windows and where the folder may not be listed."""
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return None


def _try_lock(descriptor: int) -> bool | None:
    """True when locked, False when somebody else holds the lock, None where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
