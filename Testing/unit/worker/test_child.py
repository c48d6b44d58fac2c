"""The child program: requests in, events out, run as a real process without a network.

With a network, and a batch, it is run in `Testing/slicer` (`test_strip.py`, `test_batch.py`).
"""

import gc
import json
import os
import subprocess
import weakref
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest

from skullstrip.grid.volume import Volume
from skullstrip.io import volume_archive
from skullstrip.io.volume_archive import write_volume
from skullstrip.network.manifest import load_manifest
from skullstrip.options import Options
from skullstrip.worker import child
from skullstrip.worker.child import MARK, parse_event
from Testing.programs import start_python
from Testing.stand_ins import ThresholdEngine

CHILD = ("-m", "skullstrip.worker.child")
MAPS = ["brain_probability", "brain_confidence"]


def start(*words, **settings):
    return start_python(*words, stdin=subprocess.PIPE, **settings)


def ask(process, request):
    """Hand a request over; returns the events up to its result or error."""
    process.stdin.write((request if isinstance(request, str) else json.dumps(request)) + "\n")
    process.stdin.flush()
    events = []
    for line in process.stdout:
        events.append(parse_event(line))
        assert events[-1] is not None, line
        if events[-1]["event"] in ("result", "error"):
            break
    return events


def volume_request(folder, **more):
    files = {"input": str(folder / "in.npy"), "output": str(folder / "out.npy")}
    return {"task": "volume", **files, **more}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ('{"task": "volume", "options": null}', "cannot be read"),
        ('{"task": "dance"}', "task 'dance' is unknown"),
        ('{"task": "volume", "options": {"speed": 1}}', "option 'speed' is unknown"),
        ('{"task": "volume", "input": "nowhere.npy", "output": "x.npy"}', "cannot be read"),
        ('{"task": "volume", "input": "zeros.npy", "output": "x.npy"}', "only zeros"),
        ('{"task": "batch", "source": "nowhere", "out": "x"}', "'nowhere' does not exist"),
    ],
)
def test_a_bad_request_is_one_error_event_and_status_2(tmp_path, monkeypatch, line, words):
    monkeypatch.chdir(tmp_path)
    write_volume(Path("zeros.npy"), Volume(np.zeros((40, 40, 40)), np.diag([4, 4, 4, 1.0])))
    events = []
    assert child.answer(line.encode(), events.append) == 2
    told = [event["event"] for event in events if event["event"] != "progress"]
    assert told == ["started", "error"]
    assert words in events[-1]["message"]
    assert events[-1]["exit_code"] == 2
    assert not Path("x.npy").exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (MARK + '{"event": "x", "done": 1}', {"event": "x", "done": 1}),
        ("a warning without an end of line" + MARK + '{"event": "x"}', {"event": "x"}),
        ('{"event": "x"}', None),
        (MARK + '{"event": 3}', None),
        (MARK + '{"event": "x", ' + MARK + '{"event": "y"}', None),
        (MARK + "[1]", None),
        (MARK + "{", None),
        ("", None),
    ],
)
def test_an_event_is_told_from_noise(line, expected):
    assert parse_event(line) == expected


@pytest.fixture
def endless(tmp_path):
    """A request whose scan never comes."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs a named pipe")
    os.mkfifo(tmp_path / "in.npy")
    return volume_request(tmp_path)


def test_it_has_a_process_group_of_its_own_by_which_it_is_ended_with_all_it_starts(endless):
    with start(*CHILD) as process:
        process.stdin.write(json.dumps(endless) + "\n")
        process.stdin.flush()
        event = parse_event(process.stdout.readline())
        group = os.getpgid(process.pid)
        process.kill()
    assert event == {"event": "started", "pid": process.pid}
    assert group == process.pid


@pytest.mark.skipif(not hasattr(os, "setsid"), reason="Windows has no sessions")
def test_a_leader_of_a_session_has_a_group_already():
    with start(*CHILD, start_new_session=True) as process:
        events = ask(process, {"task": "dance"})
    assert process.returncode == 2
    assert "task 'dance' is unknown" in events[-1]["message"]


def test_its_exit_status_is_its_answer_s_also_when_it_is_left_alone_at_once():
    program = (
        "import atexit, sys, time\n"
        "from skullstrip.worker import child\n"
        "atexit.register(time.sleep, 0.3)  # slow to end\n"
        "sys.exit(child.main())"
    )
    with start("-c", program) as process:
        assert ask(process, {"task": "dance"})[-1]["event"] == "error"
        process.stdin.close()
        assert process.wait() == 2


def test_it_ends_with_the_process_that_started_it(endless):
    starter = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, *sys.argv[2:]], stdin=subprocess.PIPE)\n"
        "child.stdin.write(sys.argv[1].encode() + b'\\n'); child.stdin.flush(); time.sleep(600)"
    )
    with start("-c", starter, json.dumps(endless), *CHILD) as process:
        assert "started" in process.stdout.readline()
        process.kill()
        assert process.stdout.read() == ""  # the end of the child's, too


@pytest.fixture
def engine(monkeypatch):
    """A network that the child has loaded."""
    engine = ThresholdEngine()
    engine.name = "onnxruntime"
    monkeypatch.setattr(child, "_loaded", lambda *_: engine)
    return engine


def test_nothing_of_a_scan_is_kept(tmp_path, engine, head, monkeypatch):
    kept = []

    def spy(name, arrays):
        function = getattr(volume_archive, name)

        def call(*arguments):
            result = function(*arguments)
            kept.extend(weakref.ref(array) for array in arrays(arguments, result))
            return result

        monkeypatch.setattr(volume_archive, name, call)

    write_volume(tmp_path / "in.npy", Volume(head.array, head.affine))
    spy("read_volume", lambda _, volume: [volume.array])
    spy("write_arrays", lambda given, _: given[1])
    request = json.dumps(volume_request(tmp_path, maps=MAPS)).encode()
    gc.disable()  # what only the collector finds stays for long
    try:
        assert child.answer(request, lambda _: None) is None
        assert len(kept) == 4
        assert [one() for one in kept] == [None] * 4
    finally:
        gc.enable()


def test_memory_goes_back_to_the_system_once_no_request_follows_for_a_while(monkeypatch):
    asked = SimpleQueue()
    monkeypatch.setattr(child, "give_memory_back", lambda: asked.put(b"late"))
    asked.put(b"soon")
    assert (child.following(asked), asked.empty()) == (b"soon", True)
    monkeypatch.setattr(child, "KEPT_SECONDS", 0.01)
    assert child.following(asked) == b"late"


@pytest.mark.parametrize(
    ("name_device_note", "status"),
    [
        (("onnxruntime-float32", "cpu", ""), None),
        (("onnxruntime", "gpu", ""), 0),
        (("onnxruntime", "cpu", "The GPU gave up."), 0),
        (("tensorflow", "cpu", ""), 0),
    ],
)
def test_what_may_hold_a_gpu_ends_after_its_run(tmp_path, engine, head, name_device_note, status):
    engine.name, engine.device, engine.note = name_device_note
    write_volume(tmp_path / "in.npy", Volume(head.array, head.affine))
    events = []
    assert child.answer(json.dumps(volume_request(tmp_path)).encode(), events.append) is status
    assert (events[-1]["event"], events[-1]["stays"]) == ("result", status is None)


def test_another_network_is_loaded_where_the_request_asks_for_one(monkeypatch, tmp_path):
    manifest, _ = load_manifest()
    monkeypatch.setattr("skullstrip.pipeline.load_engine", lambda _: object())
    child._loaded.cache_clear()
    try:
        first = child._engine(Options(views=1))
        assert child._engine(Options(views=3, border_mm=2.0, keep_csf=False)) is first
        assert child._engine(Options(device="cpu")) is not first
        assert child._engine(Options(threads=1)) is not child._engine(Options(engine="tensorflow"))
        found = []
        for sha256 in (manifest.weights_sha256, "0" * 64):  # retrained into the same folder
            (tmp_path / "manifest.json").write_text(
                replace(manifest, weights_sha256=sha256).to_json()
            )
            found.append(child._engine(Options(weights=str(tmp_path))))
        assert found[0] is not found[1]
    finally:
        child._loaded.cache_clear()
