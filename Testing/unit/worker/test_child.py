"""The child program: requests in, events out, run as a real process without a network.

What it does with a network is tested in `Testing/slicer` (`test_strip.py`, `test_batch.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skullstrip.errors import Cancelled
from skullstrip.grid.volume import Volume
from skullstrip.io.volume_archive import write_volume
from skullstrip.worker.child import MARK, parse_event

SOURCE = Path(__file__).resolve().parents[3] / "SkullStrip"


def serve(request: object, folder: Path) -> tuple[int, list[dict]]:
    path = folder / "request.json"
    path.write_text(request if isinstance(request, str) else json.dumps(request))
    command = [sys.executable, "-m", "skullstrip.worker.child", str(path)]
    done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=False)
    events = [parse_event(line) for line in done.stdout.splitlines()]
    assert None not in events, done.stdout
    return done.returncode, [event for event in events if event is not None]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ({"task": "volume", "options": None}, "cannot be read"),
        ({"task": "volume", "input": 5, "output": "x.npz"}, "must be texts"),
        ({"task": "batch", "source": ["IN"], "out": "OUT"}, "must be texts"),
        ({"task": "volume", "input": "a", "output": "b", "parent_pid": "me"}, "must be a number"),
        ({"task": "volume", "input": "a", "output": "b", "confidence": "yes"}, "true or false"),
        ({"task": "dance"}, "task 'dance' is unknown"),
        ({"task": "volume", "options": {"speed": 1}}, "option 'speed' is unknown"),
        ({"task": "volume", "input": "nowhere.npz", "output": "x.npz"}, "cannot be read"),
    ],
)
def test_a_bad_request_is_one_error_event_and_status_2(tmp_path, request_, words):
    status, events = serve(request_, tmp_path)
    assert status == 2
    assert [event["event"] for event in events] == ["started", "error"]
    assert words in events[1]["message"]
    assert events[1]["exit_code"] == 2


def test_a_scan_that_is_refused_is_told_as_by_the_command(tmp_path):
    write_volume(tmp_path / "in.npz", Volume(np.zeros((40, 40, 40)), np.diag([4, 4, 4, 1.0])))
    request = {
        "task": "volume",
        "input": str(tmp_path / "in.npz"),
        "output": str(tmp_path / "out.npz"),
    }
    status, events = serve(request, tmp_path)
    assert status == 2
    assert "only zeros" in events[-1]["message"]
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (MARK + '{"event": "x", "done": 1}', {"event": "x", "done": 1}),
        ("a warning without an end of line" + MARK + '{"event": "x"}', {"event": "x"}),
        ('{"event": "x"}', None),
        (MARK + '{"event": 3}', None),
        (MARK + "[1]", None),
        (MARK + "{", None),
        ("", None),
    ],
)
def test_an_event_is_told_from_noise(line, expected):
    assert parse_event(line) == expected


def test_what_libraries_print_is_kept_out_of_the_events(tmp_path):
    program = (
        "import os; from skullstrip.worker.child import event_stream\n"
        "with event_stream() as emit:\n"
        "    print('python', flush=True); os.write(1, b'native'); emit({'event': 'x'})\n"
        "print('after')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=SOURCE, capture_output=True, text=True, check=True
    )
    assert done.stdout == f'{MARK}{{"event": "x"}}\nafter\n'
    assert "native" in done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="asks for a process group")
def test_it_has_a_process_group_of_its_own_by_which_it_is_ended_with_all_it_starts(tmp_path):
    request = tmp_path / "request.json"
    os.mkfifo(request)  # it waits for the request until it is ended
    command = [sys.executable, "-m", "skullstrip.worker.child", str(request)]
    with subprocess.Popen(command, cwd=SOURCE, stdout=subprocess.PIPE, text=True) as started:
        event = parse_event(started.stdout.readline())
        group = os.getpgid(started.pid)
        started.kill()
    assert event == {"event": "started", "pid": started.pid}
    assert group == started.pid


@pytest.mark.skipif(not hasattr(os, "setsid"), reason="Windows has no sessions")
def test_a_leader_of_a_session_has_a_group_already(tmp_path):
    (tmp_path / "request.json").write_text('{"task": "dance"}')
    command = [sys.executable, "-m", "skullstrip.worker.child", tmp_path / "request.json"]
    done = subprocess.run(
        command, cwd=SOURCE, capture_output=True, text=True, check=False, start_new_session=True
    )
    assert done.returncode == 2, done.stderr
    assert "task 'dance' is unknown" in done.stdout


@pytest.mark.parametrize("gone", ["parent", "request"])
def test_it_ends_by_itself_when_its_parent_or_its_request_is_gone(tmp_path, gone):
    request = tmp_path / "request.json"
    request.write_text("{}")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    parent = dead.pid if gone == "parent" else os.getpid()
    program = (
        "import sys, time; from pathlib import Path; from skullstrip.worker.child import watch\n"
        "watch(Path(sys.argv[1]), int(sys.argv[2])); print('!', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", program, str(request), str(parent)]
    with subprocess.Popen(command, cwd=SOURCE, stdout=subprocess.PIPE) as child:
        if gone == "request":
            assert child.stdout.read(1) == b"!"
            request.unlink()
        assert child.wait() == Cancelled.exit_code


def test_a_batch_is_the_command_with_its_lines_as_events(tmp_path):
    pytest.importorskip("psutil")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.nii.gz").write_bytes(b"nothing")
    request = {"task": "batch", "source": str(tmp_path / "in"), "out": str(tmp_path / "out")}
    status, events = serve(request, tmp_path)
    assert status == 0
    told = [(event["event"], event.get("status")) for event in events]
    assert [*told[:2], *told[-3:]] == [
        ("started", None), ("start", None), ("scan", "failed"), ("end", None), ("result", None),
    ]  # fmt: skip
    failed = events[-3]
    assert (failed["name"], failed["done"], failed["total"]) == ("broken", 1, 1)
    assert "cannot be read" in failed["message"]


def test_a_batch_that_cannot_start_is_an_error_of_one_sentence(tmp_path):
    pytest.importorskip("psutil")
    request = {"task": "batch", "source": str(tmp_path / "nowhere"), "out": str(tmp_path / "out")}
    status, events = serve(request, tmp_path)
    assert status == 2
    assert "No image file" in events[-1]["message"]


@given(text=st.text(), cut=st.integers(0, 60))
def test_no_line_that_is_cut_or_mixed_up_breaks_the_reader(text, cut):
    line = (MARK + json.dumps({"event": "progress", "done": 1}) + text)[:cut]
    event = parse_event(text + line)
    assert event is None or isinstance(event["event"], str)
