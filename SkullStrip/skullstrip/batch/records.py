"""What was done with each scan, kept as one JSON file a scan below the output folder.

Whoever strips a scan writes its record, with the hashes of what was written and was there before.
So a file that a batch wrote is known again, whenever it was killed, and one that somebody changed
since is told from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ..errors import OutputError, reason_of
from ..io.atomic import atomic_outputs
from ..io.images import files_of, files_read
from ..io.limits import require_regular
from ..options import SETTINGS

RECORDS = ".skullstrip/scans"  # below the output folder
LOCK = ".skullstrip/lock"
SHARED_SECONDS, ALONE_SECONDS = 60.0, 0.5  # that a lock is waited for
CHUNK_BYTES = 2**20
# Of the results table, in their order.
COLUMNS = (
    "name", "path", "subject", "session",
    "status",  # done, corrected or failed
    "verdict",
    "judged",  # as written, or before what changed the mask
    "reasons",
    "places",  # one for each reason, RAS mm: "12.0 -3.5 40.1; ; 8.0 1.0 2.5"
    "volume_ml", "volume_error_ml", "dice_estimate", "dice_error",
    "message",
    "applied_to",  # other scans of the session, each with its verdict
    "seconds", "engine", "device",
    *SETTINGS,  # of `Options`, as asked
    "turned",  # whether a head that lies another way than its header says was
    "views_used",  # which slices the network saw
    "version", "weights_sha256", "calibration_sha256", "input_sha256", "mask_sha256",
    "brain_mask", "brain", "qc",
    "qc_applied",  # pictures of the other scans, between semicolons
    "finished",
)  # fmt: skip
DONE, FAILED = "done", "failed"
CORRECTED = "corrected"  # by hand, after we wrote the mask, which is kept
GONE = {"status": FAILED, "message": "Its mask is not there; start the batch once more."}

Row = dict[str, object]


@dataclass(frozen=True)
class FileState:
    """Images as they lie on disk, all the files they consist of taken together.

    Size and time, of the file that changed last, tell at once whether it is still the same; its
    hash tells for sure.
    """

    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, *paths: Path) -> FileState:
        """Read a file's state; hashing reads all of it. Raise OSError where one is missing."""
        return cls(*_size_and_time(*paths), sha256_of(*paths))

    def still_holds(self, *paths: Path) -> bool:
        """Return whether the content is the same, read only where size and time leave doubt."""
        try:
            size, mtime_ns = _size_and_time(*paths)
            if size != self.size:
                return False
            return mtime_ns == self.mtime_ns or sha256_of(*paths) == self.sha256
        except OSError:
            return False


@dataclass(frozen=True)
class Entry:
    """What is known of one scan."""

    row: Row  # by the names of `COLUMNS`; what is missing is None
    source: FileState  # the input as it was stripped
    options: str  # `Options.digest` of that time
    # What is written, by paths below the output folder; empty when it failed.
    outputs: dict[str, FileState] = field(default_factory=dict)
    # What the record before this one had: a batch may be killed before all is replaced.
    earlier: dict[str, FileState] = field(default_factory=dict)


def write_record(entry: Entry, out: Path) -> None:
    """Write what is known of a scan in place of what was; raise OutputError where it cannot be."""
    with atomic_outputs() as staged:
        _write(entry, staged(_record(out, str(entry.row["name"]))))


@contextmanager
def recorded(
    name: str, writes: Iterable[str], earlier: dict[str, FileState], out: Path
) -> Iterator[tuple[dict[str, Path], Callable[[Entry], Row]]]:
    """Give the paths to write a scan's outputs at, and what adds them to its record at the end.

    The record is moved into place with the outputs, and before them: so each is ours by it whenever
    this process is killed, the new one or that of `earlier`.
    """
    with atomic_outputs() as staged:
        path = staged(_record(out, name))
        places = {output: staged(out / output) for output in writes}

        def record(entry: Entry) -> Row:
            states = {output: FileState.of(place) for output, place in places.items()}
            _write(replace(entry, outputs=entry.outputs | states, earlier=earlier), path)
            return entry.row

        yield places, record


def read_record(name: str, out: Path) -> Entry | None:
    """Return what is known of a scan; raise OutputError where its record is damaged."""
    path = _record(out, name)
    return _read(path) if path.exists() else None


def rows(out: Path) -> Iterator[Row]:
    """Yield the table, ordered by names within each folder; one row at a time is in memory."""
    for parent, folders, files in os.walk(out / RECORDS):
        folders.sort()
        for name in sorted(file for file in files if file.endswith(".json")):
            row = _read(Path(parent, name)).row
            yield row if (out / str(row["brain_mask"] or "")).exists() else row | GONE


def _record(out: Path, name: str) -> Path:
    return out / RECORDS / f"{name}.json"


def _write(entry: Entry, path: Path) -> None:
    path.write_text(json.dumps(asdict(entry)), encoding="utf-8")


def _read(path: Path) -> Entry:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        row = {column: content["row"].get(column) for column in COLUMNS}
        outputs, earlier = (
            {file: FileState(**state) for file, state in content.get(key, {}).items()}
            for key in ("outputs", "earlier")
        )
        return Entry(row, FileState(**content["source"]), content["options"], outputs, earlier)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise OutputError(
            f"The record '{path}' cannot be read ({reason_of(error)}); remove it and use "
            "--overwrite to strip that scan again."
        ) from error


@contextmanager
def locked(out: Path, shared: bool = False) -> Iterator[None]:
    """Hold an output folder, so that no second batch does the same work.

    Others that are `shared` may hold it too: one job for each participant. Raise OutputError where
    another batch holds it. SQLite's lock is one that all systems have, and that goes with its
    process.
    """
    try:
        (out / RECORDS).mkdir(parents=True, exist_ok=True)
        timeout = SHARED_SECONDS if shared else ALONE_SECONDS
        lock = sqlite3.connect(out / LOCK, timeout=timeout, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise OutputError(
            f"'{out}' cannot be written ({reason_of(error)}); name another folder."
        ) from error
    with closing(lock):
        try:
            lock.execute("BEGIN" if shared else "BEGIN EXCLUSIVE")
            lock.execute("SELECT * FROM sqlite_master").fetchall()  # takes the lock that is shared
        except sqlite3.Error as error:
            wrong = f"'{out}' cannot be locked ({error}); name a folder on another disk."
            if "locked" in str(error):
                wrong = f"Another batch is at work in '{out}'; wait for it, or name another folder."
            raise OutputError(wrong) from error
        yield


def is_stranger(path: str, entry: Entry | None, out: Path) -> bool:
    """Return whether an output is there and is not, or no longer, what we wrote."""
    if not files_there(out / path):
        return False
    written = (entry.outputs.get(path), entry.earlier.get(path)) if entry else ()
    return not any(state and state.still_holds(out / path) for state in written)


def files_there(path: Path) -> list[Path]:
    """Return the files written under an image's name that are there."""
    return [file for file in files_of(path) if os.path.lexists(file)]


def _size_and_time(*paths: Path) -> tuple[int, int]:
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
