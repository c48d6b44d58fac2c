"""A whole batch where no worker is needed; `integration/test_batch_workers.py` has the rest."""

import pytest

from skullstrip.batch.options import BatchOptions
from skullstrip.batch.run import run_batch
from skullstrip.errors import Cancelled
from skullstrip.options import Options

pytest.importorskip("psutil")


def test_a_stop_while_scans_are_looked_through_begins_none(tmp_path, stand_in_weights):
    source, out, events = tmp_path / "in", tmp_path / "out", []
    source.mkdir()
    for name in ("a.nii", "b.nii"):
        (source / name).write_bytes(b"x")
    options = BatchOptions(Options(weights=stand_in_weights), jobs=1)
    with pytest.raises(Cancelled, match="0 of 2 scans done"):
        run_batch(str(source), out, options, on_event=events.append, stop=lambda: True)
    assert [event["event"] for event in events] == ["end"]
    assert len((out / "results.csv").read_text().splitlines()) == 1
