"""The bar is drawn on a terminal only; a profile tells where a run's time went."""

import io
import sys

import numpy as np
import pytest

from skullstrip.cli.progress import profiled, terminal_progress


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
