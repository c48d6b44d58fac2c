"""Bars are drawn on a terminal only; a log tells how far a batch is, a profile what took time."""

import io
import json
import sys
import time

import numpy as np
import pytest

from skullstrip.batch.run import BatchResult
from skullstrip.cli.progress import batch_progress, profiled, terminal_progress


class Terminal(io.StringIO):
    """A stand-in for a terminal that keeps what was drawn."""

    def isatty(self):
        return True


def test_a_terminal_sees_the_stage_and_how_far_it_is(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with terminal_progress() as show:
        show("load", 0, 0)
        show("predict", 0, 0)
        show("predict", 50, 200)
    drawn = sys.stderr.getvalue()
    assert "Loading the network" in drawn
    assert "Finding the brain  25%" in drawn
    assert not drawn.rsplit("\r", 1)[-1].strip()  # the line is cleared at the end


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_a_pipe_or_a_quiet_run_sees_nothing(monkeypatch, stream, quiet):
    monkeypatch.setattr(sys, "stderr", stream)
    with terminal_progress(quiet) as show:
        show("predict", 50, 200)
    assert stream.getvalue() == ""


def test_a_profile_tells_each_stage_once_and_passes_the_progress_on(capsys):
    seen = []
    with profiled(lambda *progress: seen.append(progress)) as progress:
        progress("read", 0, 0)
        progress("predict", 0, 9)
        progress("predict", 9, 9)
    assert seen == [("read", 0, 0), ("predict", 0, 9), ("predict", 9, 9)]
    title, *rows = [line.split() for line in capsys.readouterr().err.splitlines()]
    assert title == ["stage", "wall", "s", "CPU", "s", "peak", "MiB"]
    assert [stage for stage, *_ in rows] == ["start", "read", "predict"]
    wall, cpu, peak = np.array([numbers for _, *numbers in rows], dtype=float).T
    assert (wall >= 0).all()
    assert cpu[0] > 0  # of Python's start
    assert 0 < peak[0] <= peak[1] <= peak[2]


def test_an_event_is_one_line_of_json(capsys):
    row = {"name": "ä\nb", "status": "done", "message": "", "reasons": "It is rough.",
           "volume_ml": 1.5, "verdict": "check"}  # fmt: skip
    # Scans that were done before do not make the time left shorter.
    with batch_progress("json") as on_event:
        on_event(BatchResult(10, done=1, failed=1, skipped=4).add(row, 30.0))
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    assert json.loads(output) == {
        "event": "scan", **row, "done": 7, "total": 10, "seconds_left": 30.0,
    }  # fmt: skip


def test_a_log_says_now_and_then_how_far_it_is(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    row, count = {"name": "a", "status": "done", "message": ""}, BatchResult(10_000, skipped=1000)
    with batch_progress("auto") as on_event:
        for seconds in (200.0, 400.0, 600.0, 800.0):
            now[0] = seconds
            on_event({"event": "scan", "name": "b", "status": "running"})
            on_event(count.add(row, seconds))
        on_event({"event": "scan", "name": "c", "status": "failed", "message": "Broken."})
    assert capsys.readouterr() == (
        "",
        "skullstrip: 1002 of 10000 scans, 20 days, 19:53:20 left\n"
        "skullstrip: 1004 of 10000 scans, 20 days, 19:46:40 left\n"
        "skullstrip: c: Broken.\n",
    )


def test_the_bar_counts_what_was_done_before_and_tells_failures(capsys):
    with batch_progress("bar") as on_event:
        on_event({"event": "scan", "name": "old", "status": "skipped", "done": 1, "total": 3})
        on_event({"event": "start", "total": 3, "todo": 2, "jobs": 1})
        on_event({"event": "scan", "name": "a", "status": "running"})
        on_event({"event": "scan", "name": "a", "status": "failed", "message": "Broken."})
        on_event({"event": "scan", "name": "b", "status": "done", "message": ""})
        on_event({"event": "end", "done": 2, "failed": 1})
    output, error = capsys.readouterr()
    assert output == ""
    assert "skullstrip: a: Broken.\n" in error
    assert "1/3" in error
