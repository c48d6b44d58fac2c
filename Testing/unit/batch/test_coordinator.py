"""The coordinator's books: ledger, news and tables, with answers that no worker gave."""

import csv

import pytest

from skullstrip.batch import coordinator
from skullstrip.batch.job import Job, Task
from skullstrip.batch.ledger import Entry, FileState, Ledger
from skullstrip.batch.options import BatchOptions
from skullstrip.batch.ownership import Ownership
from skullstrip.batch.progress import Count
from skullstrip.batch.scans import Scan
from skullstrip.errors import OutputError


class KilledWorker(Exception):
    """Called as Dask's, which is known by its name."""


def scan(tmp_path, name):
    file = str(tmp_path / f"{name}.nii")
    return Scan(name, file, f"{name}_brain.nii", f"{name}_brain_mask.nii")


def done(name):
    return Entry({"name": name, "status": "done"}, FileState(0, 0, ""), "digest")


@pytest.fixture
def keep_books(tmp_path, monkeypatch):
    """Keeps the books of batches of (name, answer); returns the events and the ledger's rows."""
    monkeypatch.setattr(coordinator, "TABLE_SECONDS", 0.0)
    events = []

    def keep_books(*batches, tables=True):
        job = Job(tmp_path, BatchOptions(), "digest")
        total = sum(map(len, batches))
        with Ledger(tmp_path) as ledger:
            own = Ownership(tmp_path, ledger)
            books = coordinator.Coordinator(
                job, ledger, Count(total), events.append, bool, True, own, tables
            )
            books.keep_books(
                [(Task(scan(tmp_path, name)), answer) for name, answer in batch]
                for batch in batches
            )
            return events, list(ledger.rows())

    return keep_books


def test_answers_are_recorded_and_told(keep_books):
    events, rows = keep_books([("a", done("a")), ("b", done("b"))], [("c", done("c"))])
    assert [row["name"] for row in rows] == ["a", "b", "c"]
    assert [(event["name"], event["done"]) for event in events] == [("a", 1), ("b", 2), ("c", 3)]
    assert events[-1]["seconds_left"] == 0.0


@pytest.mark.parametrize(
    ("answer", "message"),
    [(KilledWorker("scan"), "out of memory"), (RuntimeError("odd\nthing"), "odd thing")],
)
def test_a_scan_that_no_worker_answered_for_is_a_row(keep_books, tmp_path, answer, message):
    events, rows = keep_books([("a", answer)])
    assert (rows[0]["status"], rows[0]["path"]) == ("failed", str(tmp_path / "a.nii"))
    assert message in rows[0]["message"]
    assert events[0]["status"] == "failed"


def test_a_table_is_written_on_the_way_unless_other_jobs_share_the_folder(keep_books, tmp_path):
    keep_books([("a", done("a"))], tables=False)
    assert not (tmp_path / "results.csv").exists()
    keep_books([("b", done("b"))])
    with (tmp_path / "results.csv").open(newline="") as stream:
        assert [row["name"] for row in csv.DictReader(stream)] == ["a", "b"]


def test_a_table_that_cannot_be_written_on_the_way_stops_nothing(keep_books, monkeypatch):
    def locked(*_):
        raise OutputError("Excel has it open.")

    monkeypatch.setattr(coordinator, "write_csv", locked)
    _, rows = keep_books([("a", done("a"))], [("b", done("b"))])
    assert [row["name"] for row in rows] == ["a", "b"]
