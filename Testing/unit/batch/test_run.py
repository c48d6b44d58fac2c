"""A whole batch where no worker is needed; `integration/test_batch_workers.py` has the rest."""

from __future__ import annotations

import pytest

from skullstrip.batch.options import BatchOptions
from skullstrip.batch.run import Source, run_batch
from skullstrip.errors import Cancelled, OutputError
from skullstrip.options import Options
from Testing.bids_data import make_bids

pytest.importorskip("psutil")


def test_a_stop_while_scans_are_looked_through_begins_none(tmp_path, stand_in_weights):
    source, out, events = tmp_path / "in", tmp_path / "out", []
    source.mkdir()
    for name in ("a.nii", "b.nii"):
        (source / name).write_bytes(b"x")
    options = BatchOptions(Options(weights=stand_in_weights), jobs=1)
    with pytest.raises(Cancelled, match="0 of 2 scans done"):
        run_batch(Source(str(source)), out, options, on_event=events.append, stop=lambda: True)
    assert [event["event"] for event in events] == ["end"]
    assert len((out / "results.csv").read_text().splitlines()) == 1


def test_the_raw_data_are_refused_as_output_before_anything_is_written(tmp_path, stand_in_weights):
    data_set = make_bids(tmp_path / "data")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    options = BatchOptions(Options(weights=stand_in_weights), jobs=1)
    with pytest.raises(OutputError, match="the data set itself"):
        run_batch(Source(str(data_set), bids=True), data_set, options)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
