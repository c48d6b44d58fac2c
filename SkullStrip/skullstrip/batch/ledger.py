"""What has been done, kept in one SQLite file that only the coordinating process writes.

The journal is SQLite's ordinary one, not its write-ahead log: that needs memory shared by all who
open the file, which network file systems do not give, and with a single writer it gains nothing.
A process that is killed loses the transaction it was in, and no more.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..io.images import files_read
from ..io.limits import require_regular
from .columns import COLUMNS, Row

LEDGER = ".skullstrip/ledger.sqlite"  # below the output folder
FORMAT = 1
BUSY_SECONDS = 60.0
CHUNK_BYTES = 2**20
_OWN = {"input_size": "INTEGER", "input_mtime_ns": "INTEGER", "options": "TEXT", "outputs": "TEXT"}


@dataclass(frozen=True)
class FileState:
    """Images as they lie on disk, all the files they consist of taken together.

    Size and time tell at once whether it is still the same; its hash tells for sure.

    Parameters
    ----------
    size : int
        Bytes.
    mtime_ns : int
        Of the file that changed last.
    """

    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, *paths: Path) -> FileState:
        """Read a file's state; hashing reads all of it."""
        return cls(*stat_of(*paths), sha256_of(*paths))

    def still_holds(self, *paths: Path) -> bool:
        """Return whether the content is the same, read only where size and time leave doubt."""
        try:
            size, mtime_ns = stat_of(*paths)
            if size != self.size:
                return False
            return mtime_ns == self.mtime_ns or sha256_of(*paths) == self.sha256
        except OSError:
            return False


@dataclass(frozen=True)
class Entry:
    """What is known of one scan.

    Parameters
    ----------
    row : dict
        By the names of `COLUMNS`; what is missing is None.
    source : FileState
        The input as it was stripped.
    options : str
        `Options.digest` of that time.
    outputs : dict of str to FileState
        By their path below the output folder; empty when it failed.
    """

    row: Row
    source: FileState
    options: str
    outputs: dict[str, FileState] = field(default_factory=dict)


class Ledger:
    """The file; close it, or use it in a `with` statement.

    Parameters
    ----------
    out : Path
        The output folder.
    shared : bool
        Let other processes write too, each in its turn: one job for each participant. Otherwise
        the file is locked, so that no second batch does the same work.

    Raises
    ------
    OutputError
        It cannot be opened, is of a newer version, or another batch holds it.
    """

    def __init__(self, out: Path, shared: bool = False) -> None:
        self._path = out / LEDGER
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            timeout = BUSY_SECONDS if shared else 0.5
            self._connection = sqlite3.connect(self._path, timeout=timeout, isolation_level=None)
            if not shared:
                self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            if "locked" in str(error):
                raise OutputError(
                    f"Another batch is at work in '{out}'; wait for it, or name another folder."
                ) from error
            raise OutputError(f"The ledger '{self._path}' cannot be opened ({error}).") from error

    def _prepare(self) -> None:
        execute = self._connection.execute
        columns = ", ".join(f"{name} {kind}" for name, kind in (COLUMNS | _OWN).items())
        execute("BEGIN IMMEDIATE")
        version = execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT:
            raise OutputError(
                f"The ledger '{self._path}' is of a newer version of SkullStrip ({version}); "
                "update, or name another output folder."
            )
        execute(f"CREATE TABLE IF NOT EXISTS scans ({columns}, PRIMARY KEY (name))")
        there = {column[1] for column in execute("PRAGMA table_info(scans)")}
        for name, kind in (COLUMNS | _OWN).items():
            if name not in there:  # an older version's file
                execute(f"ALTER TABLE scans ADD COLUMN {name} {kind}")
        execute("CREATE TABLE IF NOT EXISTS claims (name, path, time, PRIMARY KEY (name, path))")
        execute(f"PRAGMA user_version = {FORMAT}")
        execute("COMMIT")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def record(self, entries: Iterable[Entry]) -> None:
        """Write entries, in place of older ones of the same names, all or none.

        Raises
        ------
        OutputError
            The disk is full, or other jobs hold the file for too long.
        """
        names = [*COLUMNS, *_OWN]
        marks = ", ".join("?" * len(names))
        entries = list(entries)
        with self._transaction() as connection:
            connection.executemany(
                f"INSERT OR REPLACE INTO scans ({', '.join(names)}) VALUES ({marks})",  # noqa: S608
                map(_values, entries),
            )
            connection.executemany(
                "DELETE FROM claims WHERE name = ?", [(entry.row.get("name"),) for entry in entries]
            )

    def claim(self, paths: Mapping[str, Iterable[str]]) -> None:
        """Note which outputs, by the names of their scans, are about to be written.

        `record` ends a scan's claims; what goes wrong is raised as there.
        """
        now = time.time()
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO claims VALUES (?, ?, ?)",
                [(name, path, now) for name in paths for path in paths[name]],
            )

    def claims(self, name: str) -> dict[str, float]:
        """Return when outputs of a scan were claimed that has not been recorded since."""
        found = self._select("path, time", "claims WHERE name = ?", (name,))
        return {str(path): float(when) for path, when in found}

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
        except sqlite3.Error as error:
            raise OutputError(
                f"The ledger '{self._path}' cannot be written ({error}); see to that and start "
                "the same command again to go on."
            ) from error

    def get(self, name: str) -> Entry | None:
        """Return what is known of a scan."""
        for found in self._select(", ".join([*COLUMNS, *_OWN]), "scans WHERE name = ?", (name,)):
            row = dict(zip(COLUMNS, found, strict=False))
            size, mtime_ns, options, outputs = found[len(COLUMNS) :]
            source = FileState(size, mtime_ns, str(row["input_sha256"] or ""))
            try:
                states = {path: FileState(*state) for path, state in json.loads(outputs).items()}
            except (ValueError, TypeError, AttributeError) as error:
                raise self._unreadable(error) from error
            return Entry(row, source, options, states)
        return None

    def rows(self) -> Iterator[Row]:
        """Yield the table, ordered by name; one row at a time is in memory."""
        for found in self._select(", ".join(COLUMNS), "scans ORDER BY name"):
            yield dict(zip(COLUMNS, found, strict=True))

    def _select(self, what: str, source: str, values: tuple[str, ...] = ()) -> Iterator[Any]:
        try:
            yield from self._connection.execute(f"SELECT {what} FROM {source}", values)  # noqa: S608
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> OutputError:
        return OutputError(
            f"The ledger '{self._path}' is damaged ({error}); move it away and use --overwrite to "
            "strip everything again, or name another output folder."
        )


def _values(entry: Entry) -> list[object]:
    outputs = {
        path: (state.size, state.mtime_ns, state.sha256) for path, state in entry.outputs.items()
    }
    return [
        *(entry.row.get(name) for name in COLUMNS),
        entry.source.size,
        entry.source.mtime_ns,
        entry.options,
        json.dumps(outputs),
    ]


def stat_of(*paths: Path) -> tuple[int, int]:
    """Bytes, and the latest time of change in ns; raise OSError where a file is missing."""
    found = [file.stat() for path in paths for file in files_read(path)]
    return sum(status.st_size for status in found), max(status.st_mtime_ns for status in found)


def sha256_of(*paths: Path) -> str:
    """Hash of the content, of all files that the images consist of."""
    digest = hashlib.sha256()
    for file in (file for path in paths for file in files_read(path)):
        require_regular(file)
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
