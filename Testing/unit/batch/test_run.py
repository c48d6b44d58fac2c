"""A whole batch without workers: what ends it early, and what is made of the answers.

`integration/test_workers.py` has the rest.
"""

import csv
import importlib.util

import pytest

from skullstrip import pipeline
from skullstrip.batch import run
from skullstrip.batch.job import Job, loaded_engine, process_scan
from skullstrip.batch.options import BatchOptions
from skullstrip.batch.records import Entry, FileState, rows, write_record
from skullstrip.batch.run import BatchResult
from skullstrip.batch.scans import Scan
from skullstrip.errors import Cancelled, EngineError, InputError, OutputError, WeightsError
from skullstrip.options import Options
from Testing.image_files import save_head

pytest.importorskip("psutil")


def test_a_stop_while_scans_are_looked_through_begins_none(tmp_path, stand_in_weights):
    source, out, events = tmp_path / "in", tmp_path / "out", []
    source.mkdir()
    for name in ("a.nii", "b.nii"):
        (source / name).write_bytes(b"x")
    options = BatchOptions(Options(weights=stand_in_weights), jobs=1)
    with pytest.raises(Cancelled, match="0 of 2 scans done"):
        run.run_batch(str(source), out, options, on_event=events.append, stop=lambda: True)
    assert [event["event"] for event in events] == ["end"]
    assert len((out / "results.csv").read_text().splitlines()) == 1


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_would_replace_another_scan_is_a_row_before_any_worker_starts(
    tmp_path, stand_in_weights, overwrite
):
    table, events = tmp_path / "scans.csv", []
    table.write_text("path\nT1.nii\nT1_brain.nii\n")
    for name in ("T1.nii", "T1_brain.nii"):
        (tmp_path / name).write_bytes(b"x")
    options = BatchOptions(Options(weights=stand_in_weights), overwrite=overwrite)
    with pytest.raises(Cancelled, match="1 of 2 scans done"):
        run.run_batch(
            str(table), tmp_path, options, on_event=events.append, stop=lambda: len(events) > 0
        )
    assert [event["event"] for event in events] == ["scan", "end"]
    with (tmp_path / "results.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["name"], row["status"]) == ("T1", "failed")
    assert "T1_brain.nii would be replaced, which this batch reads" in row["message"]
    assert (tmp_path / "T1_brain.nii").read_bytes() == b"x"


def test_verdicts_are_counted_of_all_scans_and_a_corrected_mask_has_no_other():
    count = BatchResult(6)
    for verdict in ("pass", "pass", "fail"):
        count.add({"status": "done", "verdict": verdict}, 1.0)
    count.add({"status": "failed", "verdict": None}, 1.0)
    count.add({"status": "corrected", "verdict": "check"})
    event = count.add({"status": "done", "verdict": "check"})
    assert (event["status"], event["verdict"], event["done"]) == ("skipped", "check", 6)
    assert (count.done, count.failed, count.skipped) == (3, 1, 2)
    assert count.verdicts == {"pass": 2, "check": 1, "fail": 1, "corrected": 1}


@pytest.mark.parametrize("options", [{"redo": "all"}, {"fmriprep": "longitudinal"}, {"jobs": -1}])
def test_an_option_that_makes_no_sense_is_refused(options):
    with pytest.raises(InputError, match=r"use one of|jobs is -1; give 1 or more"):
        BatchOptions(**options)


def test_a_missing_package_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "dask" or None)
    with pytest.raises(EngineError, match=r"needs distributed; use 'pip install .*\[cluster\]"):
        run.require_packages("tcp://here:1")
    with pytest.raises(EngineError, match=r"needs psutil; use 'pip install .*\[batch\]"):
        run.require_packages(None)


class KilledWorker(Exception):
    """Called as Dask's, which is known by its name."""


def scan(tmp_path, name):
    file = str(tmp_path / f"{name}.nii")
    return Scan(name, file, f"{name}_brain.nii", f"{name}_brain_mask.nii")


@pytest.fixture
def tell(tmp_path, monkeypatch):
    """Tells of answers (name, answer); returns the events and the rows that are recorded.

    An answer of None is that of a scan that a worker recorded as done.
    """
    monkeypatch.setattr(run, "TABLE_SECONDS", 0.0)
    events = []

    def tell(*pairs, tables=True):
        def answers():
            for name, answer in pairs:
                row = {"name": name, "status": "done"}
                if answer is None:
                    write_record(Entry(row, FileState(0, 0, ""), "digest"), tmp_path)
                yield (scan(tmp_path, name), "new"), answer or row

        job = Job(tmp_path, BatchOptions(), "digest")
        run.Batch(job, BatchResult(len(pairs)), events.append, bool, tables).tell(answers())
        return events, list(rows(tmp_path))

    return tell


@pytest.mark.parametrize(
    ("answer", "message"),
    [(KilledWorker("scan"), "out of memory"), (RuntimeError("odd\nthing"), "odd thing")],
)
def test_a_scan_that_no_worker_answered_for_is_a_row(tell, tmp_path, answer, message):
    events, rows = tell(("a", answer))
    assert (rows[0]["status"], rows[0]["path"]) == ("failed", str(tmp_path / "a.nii"))
    assert message in rows[0]["message"]
    assert events[0]["status"] == "failed"


def test_weights_that_were_altered_end_the_batch_and_spoil_no_row(
    tell, tmp_path, monkeypatch, stand_in_weights
):
    job = Job(tmp_path, BatchOptions(Options(weights=stand_in_weights)), "digest")
    save_head(tmp_path / "a.nii")

    def altered(*_):
        raise WeightsError("Altered.")

    monkeypatch.setattr(pipeline, "create_engine", altered)
    loaded_engine.cache_clear()
    with pytest.raises(WeightsError):
        process_scan((scan(tmp_path, "a"), "new"), job)
    with pytest.raises(WeightsError):
        tell(("a", WeightsError("Altered.")))
    assert list(rows(tmp_path)) == []


def test_a_table_is_written_on_the_way_unless_other_jobs_share_the_folder(tell, tmp_path):
    tell(("a", None), tables=False)
    assert not (tmp_path / "results.csv").exists()
    tell(("b", None))
    with (tmp_path / "results.csv").open(newline="") as stream:
        assert [row["name"] for row in csv.DictReader(stream)] == ["a", "b"]


def test_a_table_that_cannot_be_written_on_the_way_stops_nothing(tell, monkeypatch):
    def locked(*_):
        raise OutputError("Excel has it open.")

    monkeypatch.setattr(run, "write_csv", locked)
    _, rows = tell(("a", None), ("b", None))
    assert [row["name"] for row in rows] == ["a", "b"]
