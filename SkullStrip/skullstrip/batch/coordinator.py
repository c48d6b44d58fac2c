"""The workers of one batch, and the coordinator's side of their work: ledger, news, tables."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..io.temporary import remove_abandoned
from . import cluster, local_workers
from .job import Job, lost, outputs_of, sentence, strip_one
from .ledger import Entry, Ledger
from .progress import Count, Hear, scan_event
from .scans import Scan
from .table import write_csv

TABLE_SECONDS = 15.0  # at least, between two tables written on the way
TABLE_SHARE = 0.05  # of the time, at most, goes into writing them
KILLED = (
    "Every worker process that tried this scan was killed, most likely for want of memory; use "
    "fewer --jobs."
)
Answers = Generator[list[tuple[Scan, Any]], None, None]


@dataclass
class Crew:
    """Has scans stripped and keeps the books.

    Parameters
    ----------
    job : Job
    ledger : Ledger
    count : Count
        Counts on.
    hear : callable
        Gets the events of `progress`.
    stop : callable
        Says True when no further scan shall be begun.
    quiet : bool
    tables : bool
        Write the results table now and then, so that one is there should this process be killed.
    """

    job: Job
    ledger: Ledger
    count: Count
    hear: Hear
    stop: Callable[[], bool]
    quiet: bool
    tables: bool = True

    def strip(self, scans: list[Scan]) -> None:
        """Strip scans; what workers that were killed left behind is removed at the end."""
        answers = self._by_dask(scans) if self.job.options.scheduler else self._here(scans)
        try:
            with closing(answers):
                self.keep_books(answers)
        finally:
            sweep(scans, self.job.out)

    def keep_books(self, batches: Iterable[list[tuple[Scan, Any]]]) -> None:
        """Record answers as they come; a batch of them is one transaction."""
        start = table_written = time.monotonic()
        pause = TABLE_SECONDS
        for batch in batches:
            entries = [self._entry(scan, answer) for scan, answer in batch]
            self.ledger.record(entries)
            for entry in entries:
                self.count.add(entry.row)
                self.hear(scan_event(entry.row, self.count, time.monotonic() - start))
            if self.tables and time.monotonic() - table_written > pause:
                began = time.monotonic()
                with suppress(OutputError):  # Excel has it open; the last one will tell
                    write_csv(self.ledger.rows(), self.job.out)
                table_written = time.monotonic()
                pause = max(TABLE_SECONDS, (table_written - began) / TABLE_SHARE)

    def _here(self, scans: list[Scan]) -> Answers:
        """By processes of this machine."""
        options = self.job.options
        jobs = min(options.jobs or local_workers.default_jobs(), len(scans))
        threads = options.method.threads or local_workers.threads_each(jobs)
        method = replace(options.method, threads=threads)
        job = replace(self.job, options=replace(options, method=method))
        self._start(len(scans), jobs)
        yield from local_workers.as_done(
            partial(strip_one, job=job),
            scans,
            jobs,
            begun=lambda scan: self._begins(scan.name),
            stop=self.stop,
            quiet=self.quiet,
        )

    def _by_dask(self, scans: list[Scan]) -> Answers:
        """By the workers of a running scheduler."""
        with cluster.remote_client(str(self.job.options.scheduler)) as client:
            self._start(len(scans), sum(client.nthreads().values()))
            function = partial(strip_aloud, job=self.job, topic=self._topic(client))
            yield from cluster.as_done(client, function, scans, self.stop)

    def _start(self, todo: int, jobs: int) -> None:
        self.hear({"event": "start", "total": self.count.total, "todo": todo, "jobs": jobs})

    def _begins(self, name: str) -> None:
        self.hear({"event": "scan", "name": name, "status": "running"})

    def _topic(self, client: Any) -> str:
        """Where workers say which scan they begin."""
        topic = f"skullstrip-{uuid.uuid4().hex[:8]}"
        client.subscribe_topic(topic, lambda event: self._begins(event[1]))
        return topic

    def _entry(self, scan: Scan, answer: Any) -> Entry:
        if isinstance(answer, Entry):
            return answer
        is_killed = type(answer).__name__ == "KilledWorker"
        return lost(scan, self.job, KILLED if is_killed else sentence(answer))


def strip_aloud(scan: Scan, job: Job, topic: str) -> Entry:
    """`strip_one`, with word to the coordinator that it begins."""
    from distributed import get_worker

    get_worker().log_event(topic, scan.name)
    return strip_one(scan, job)


def sweep(scans: list[Scan], out: Path) -> None:
    """Remove what workers left that were killed while they wrote, and nobody wrote there since."""
    for folder in {(out / path).parent for scan in scans for path in outputs_of(scan)}:
        remove_abandoned(folder)
