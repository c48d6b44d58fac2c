"""Word of how a batch goes: events for programs, a bar or lines for people.

An event is a dict, and a line of JSON with `--progress json`:

    {"event": "start", "total": 40, "todo": 38, "jobs": 2}
    {"event": "scan", "name": "a/b", "status": "skipped", "message": "", "reasons": "",
     "volume_ml": 1410.7, "verdict": "pass", "done": 1, "total": 40}
    {"event": "scan", "name": "a/c", "status": "running"}
    {"event": "scan", "name": "a/c", "status": "done", "corrected" or "failed",
     "message": "", "reasons": "", "volume_ml": 1432.1, "verdict": "pass",
     "done": 2, "total": 40, "seconds_left": 83.0}
    {"event": "end", "done": 40, "failed": 0, "skipped": 2, "report": "/out/report.html",
     "verdicts": {"pass": 37, "check": 2, "fail": 1, "corrected": 0}}

`done` in a scan's event counts the scans that nothing more will happen to; the verdicts at the end
are of all scans, those stripped before too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from ..escaping import print_escaped
from .records import CORRECTED, DONE, FAILED, Row

LOG_SECONDS = 300.0  # between two lines of a log
ANSWERED = (DONE, CORRECTED, FAILED)
VERDICTS = ("pass", "check", "fail", "corrected")
TOLD = ("name", "status", "message", "reasons", "volume_ml", "verdict")

Event = dict[str, Any]
OnEvent = Callable[[Event], None]


@dataclass
class BatchResult:
    """How far a batch is, and at its end what became of it."""

    total: int  # scans of the batch
    done: int = 0  # stripped now
    failed: int = 0  # given up now
    skipped: int = 0  # left as they were
    # How many masks of these scans pass, are to be checked, fail, and were corrected by hand.
    verdicts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))
    table: Path | None = None  # results.csv, with all scans of the output folder
    page: Path | None = None  # report.html; both are None where they are left to `group`

    @property
    def settled(self) -> int:
        """Scans that nothing more will happen to."""
        return self.done + self.failed + self.skipped

    def add(self, row: Row, seconds: float | None = None) -> Event:
        """Count a scan, and return word of it.

        `seconds` have gone since the first was begun; without them the scan was left as it is.
        """
        event = {"event": "scan", **{key: row.get(key) for key in TOLD}}
        status = row.get("status")  # a mask that somebody corrected has no other verdict
        verdict = row.get("verdict") if status == DONE else status
        if verdict in self.verdicts:
            self.verdicts[str(verdict)] += 1
        if seconds is None:
            self.skipped += 1
            return event | {"status": "skipped", "done": self.settled, "total": self.total}
        self.failed += status == FAILED
        self.done += status != FAILED
        left = seconds / (self.done + self.failed) * (self.total - self.settled)
        return event | {"done": self.settled, "total": self.total, "seconds_left": round(left, 1)}

    def end(self) -> Event:
        """Return word of the end."""
        return {
            "event": "end",
            "done": self.done + self.skipped,
            "failed": self.failed,
            "skipped": self.skipped,
            "report": str(self.page) if self.page else None,
            "verdicts": self.verdicts,
        }


def ignore_event(event: Event) -> None:
    """Say nothing."""


def say_json(event: Event) -> None:
    """Write a line of JSON to stdout."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def say_failures(event: Event) -> None:
    """Write a line to stderr for a scan that fails."""
    if event.get("status") == FAILED:
        print_escaped(f"skullstrip: {event['name']}: {event['message']}", sys.stderr)


def log() -> OnEvent:
    """Lines on stderr where nobody watches: scans that fail, and now and then how far it is."""
    said = time.monotonic()

    def on_event(event: Event) -> None:
        nonlocal said
        say_failures(event)
        if event.get("status") in ANSWERED and time.monotonic() - said > LOG_SECONDS:
            said = time.monotonic()
            left = timedelta(seconds=round(event["seconds_left"]))
            far = f"{event['done']} of {event['total']} scans"
            sys.stderr.write(f"skullstrip: {far}, {left} left\n")
            sys.stderr.flush()

    return on_event


@contextmanager
def bar() -> Iterator[OnEvent]:
    """Draw a bar with the time left on stderr, and tell above it which scans fail."""
    from tqdm import tqdm

    line: Any = tqdm(total=0, unit="scan", leave=False)

    def on_event(event: Event) -> None:
        if event["event"] == "start":
            line.reset(total=event["total"])
            line.initial = line.n = event["total"] - event["todo"]
            line.set_description(f"{event['jobs']} at a time")
        elif event.get("status") in ANSWERED:
            with line.external_write_mode(file=sys.stderr):
                say_failures(event)
            line.update()

    try:
        yield on_event
    finally:
        line.close()
