"""The bar is drawn on a terminal only."""

import io
import sys

import pytest

from skullstrip.cli.progress_bar import terminal_progress


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
