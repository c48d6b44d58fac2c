"""The ledger: what was done is known again, whoever was killed in between."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from skullstrip.batch.columns import COLUMNS
from skullstrip.batch.ledger import LEDGER, Entry, FileState, Ledger
from skullstrip.errors import OutputError


def entry(name="a/b", **columns):
    row = {"name": name, "status": "done", "volume_ml": 1432.125, "views": "1", "input_sha256": "i"}
    outputs = {f"{name}_brain_mask.nii.gz": FileState(3, 4, "o")}
    return Entry(row | columns, FileState(1, 2**60 + 1, "i"), "options", outputs)


def test_what_is_recorded_is_known_again_after_closing(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.record([entry()])
    with Ledger(tmp_path) as ledger:
        found = ledger.get("a/b")
        assert ledger.get("other") is None
    assert (found.source, found.options, found.outputs) == (
        entry().source,
        "options",
        entry().outputs,
    )
    assert found.row == {**dict.fromkeys(COLUMNS), **entry().row}


def test_a_newer_entry_takes_the_place_of_the_older(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.record([entry(status="failed"), entry("c")])
        ledger.record([entry(status="done")])
        rows = list(ledger.rows())
    assert [(row["name"], row["status"]) for row in rows] == [("a/b", "done"), ("c", "done")]


def test_a_batch_of_entries_is_recorded_whole_or_not_at_all(tmp_path):
    def failing():
        yield entry("x")
        raise RuntimeError

    with Ledger(tmp_path) as ledger:
        with pytest.raises(RuntimeError):
            ledger.record(failing())
        ledger.record([entry("y")])
        assert [row["name"] for row in ledger.rows()] == ["y"]


def test_a_full_disk_is_one_sentence_and_loses_nothing_that_was_recorded(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.record([entry("kept")])
        ledger._connection.execute("PRAGMA max_page_count = 1")  # no more than there are
        with pytest.raises(OutputError, match=r"cannot be written \(.*full\)"):
            ledger.record(entry(f"lost {number}") for number in range(1000))
        assert [row["name"] for row in ledger.rows()] == ["kept"]


def test_rows_have_the_columns_of_the_table_in_their_order(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.record([entry()])
        assert list(next(ledger.rows())) == list(COLUMNS)


def test_a_second_batch_in_the_same_folder_is_refused(tmp_path):
    with Ledger(tmp_path), pytest.raises(OutputError, match="Another batch is at work"):
        Ledger(tmp_path)
    Ledger(tmp_path).close()


def test_jobs_for_single_participants_share_the_ledger(tmp_path):
    with Ledger(tmp_path, shared=True) as one, Ledger(tmp_path, shared=True) as two:
        one.record([entry("a")])
        two.record([entry("b")])
        one.record([entry("c")])
        assert [row["name"] for row in two.rows()] == ["a", "b", "c"]


def test_a_ledger_without_a_column_of_today_is_completed(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.record([entry("old")])
    with sqlite3.connect(tmp_path / LEDGER) as connection:
        connection.execute("ALTER TABLE scans DROP COLUMN turned")
    with Ledger(tmp_path) as ledger:
        ledger.record([entry("new", turned="yes")])
        found = {row["name"]: row["turned"] for row in ledger.rows()}
    assert found == {"new": "yes", "old": None}


def test_a_ledger_of_a_newer_version_is_refused(tmp_path):
    Ledger(tmp_path).close()
    with sqlite3.connect(tmp_path / LEDGER) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(OutputError, match="newer version"):
        Ledger(tmp_path)


def test_a_file_that_is_no_ledger_is_refused_in_one_sentence(tmp_path):
    (tmp_path / LEDGER).parent.mkdir()
    (tmp_path / LEDGER).write_bytes(b"no database at all, and long enough" * 100)
    with pytest.raises(OutputError, match="cannot be opened"):
        Ledger(tmp_path)


@pytest.mark.parametrize("outputs", ["no json", "[1]", '{"a": 1}', None])
def test_a_damaged_entry_is_one_sentence(tmp_path, outputs):
    with Ledger(tmp_path) as ledger:
        ledger.record([entry("a")])
    with sqlite3.connect(tmp_path / LEDGER) as connection:
        connection.execute("UPDATE scans SET outputs = ?", (outputs,))
    with Ledger(tmp_path) as ledger, pytest.raises(OutputError, match=r"is damaged \(.*; move it"):
        ledger.get("a")


def test_a_ledger_that_is_cut_short_is_one_sentence(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.record(entry(f"scan {number}") for number in range(500))
    whole = (tmp_path / LEDGER).read_bytes()
    (tmp_path / LEDGER).write_bytes(whole[: len(whole) // 2])
    with (
        pytest.raises(OutputError, match=r"is damaged|cannot be opened"),
        Ledger(tmp_path) as ledger,
    ):
        list(ledger.rows())


def test_a_process_killed_in_a_transaction_loses_that_one_alone(tmp_path, library_path):
    script = """
import os, signal, sys
from pathlib import Path
from skullstrip.batch.ledger import FileState
from skullstrip.batch.ledger import Entry, Ledger
def entry(name):
    return Entry({"name": name}, FileState(0, 0, ""), "")
ledger = Ledger(Path(sys.argv[1]))
ledger.record([entry("kept")])
def dying():
    yield from (entry(f"lost {number}") for number in range(20_000))  # more than a cache holds
    os.kill(os.getpid(), signal.SIGKILL)
ledger.record(dying())
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        env=os.environ | {"PYTHONPATH": library_path},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    with Ledger(tmp_path) as ledger:
        assert [row["name"] for row in ledger.rows()] == ["kept"]
