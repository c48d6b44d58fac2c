"""Word of how a batch goes."""

import json

from skullstrip.batch import progress
from skullstrip.batch.progress import BatchResult


def test_an_event_is_one_line_of_json(capsys):
    row = {"name": "ä\nb", "status": "done", "message": "", "reasons": "It is rough.",
           "volume_ml": 1.5, "verdict": "check"}  # fmt: skip
    # Scans that were done before do not make the time left shorter.
    progress.say_json(BatchResult(10, done=1, failed=1, skipped=4).add(row, 30.0))
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    assert json.loads(output) == {
        "event": "scan", **row, "done": 7, "total": 10, "seconds_left": 30.0,
    }  # fmt: skip


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


def test_a_log_says_now_and_then_how_far_it_is(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    on_event = progress.log()
    row, count = {"name": "a", "status": "done", "message": ""}, BatchResult(10_000, skipped=1000)
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
    with progress.bar() as on_event:
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
