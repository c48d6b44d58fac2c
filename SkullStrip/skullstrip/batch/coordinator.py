"""The workers of one batch, and the coordinator's side of their work: news and tables."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..errors import OutputError
from ..io.atomic import remove_abandoned
from . import cluster, local_workers
from .columns import Row
from .job import Job, Task, do, give_up, sentence
from .progress import BatchResult, OnEvent
from .records import rows
from .results import write_csv
from .scans import Scan

TABLE_SECONDS = 15.0  # at least, between two tables written on the way
TABLE_SHARE = 0.05  # of the time, at most, goes into writing them
KILLED = (
    "Every worker process that tried this scan was killed, probably out of memory; use "
    "fewer --jobs."
)
Answers = Generator[tuple[Task, Any], None, None]


@dataclass
class Coordinator:
    """Has scans stripped and tells of them."""

    job: Job
    result: BatchResult  # counts on
    on_event: OnEvent  # gets the events of `progress`
    stop: Callable[[], bool]  # says True when no further scan shall be begun
    quiet: bool
    # Write the results table now and then, so that one is there should this process be killed.
    tables: bool

    def strip(self, todo: list[Task]) -> None:
        """Strip scans; what workers that were killed left behind is removed at the end."""
        answers = self._by_dask(todo) if self.job.options.scheduler else self._here(todo)
        try:
            with closing(answers):
                self.keep_books(answers)
        finally:
            remove_abandoned(self.job.out, below=True)

    def keep_books(self, answers: Iterable[tuple[Task, Any]]) -> None:
        """Tell of answers as they come, and record scans that no worker answered for."""
        self._started = table_written = time.monotonic()
        pause = TABLE_SECONDS
        for (scan, _), answer in answers:
            self._tell(answer if isinstance(answer, dict) else self._lost(scan, answer))
            began = time.monotonic()
            if self.tables and began - table_written > pause:
                with suppress(OutputError):  # Excel has it open; the last one will tell
                    write_csv(rows(self.job.out), self.job.out)
                table_written = time.monotonic()
                pause = max(TABLE_SECONDS, (table_written - began) / TABLE_SHARE)

    def _here(self, todo: list[Task]) -> Answers:
        """By processes of this machine."""
        options = self.job.options
        jobs = min(options.jobs or local_workers.default_jobs(), len(todo))
        threads = options.method.threads or local_workers.threads_each(jobs)
        method = replace(options.method, threads=threads)
        job = replace(self.job, options=replace(options, method=method))
        self._start(len(todo), jobs)
        yield from local_workers.as_done(
            partial(do, job=job),
            todo,
            jobs,
            begun=lambda task: self._begins(task[0].name),
            stop=self.stop,
            quiet=self.quiet,
        )

    def _by_dask(self, todo: list[Task]) -> Answers:
        """By the workers of a running scheduler, which say under a topic what they begin."""
        with cluster.remote_client(str(self.job.options.scheduler)) as client:
            topic = f"skullstrip-{uuid.uuid4().hex[:8]}"
            client.subscribe_topic(topic, lambda event: self._begins(event[1]))
            self._start(len(todo), sum(client.nthreads().values()))
            function = partial(do_aloud, job=self.job, topic=topic)
            yield from cluster.as_done(client, function, todo, self.stop)

    def _lost(self, scan: Scan, error: BaseException) -> Row:
        is_killed = type(error).__name__ == "KilledWorker"
        return give_up(scan, self.job, KILLED if is_killed else sentence(error))

    def _start(self, todo: int, jobs: int) -> None:
        self.on_event({"event": "start", "total": self.result.total, "todo": todo, "jobs": jobs})

    def _begins(self, name: str) -> None:
        self.on_event({"event": "scan", "name": name, "status": "running"})

    def _tell(self, row: Row) -> None:
        self.on_event(self.result.add(row, time.monotonic() - self._started))


def do_aloud(task: Task, job: Job, topic: str) -> Row:
    """`do`, with word to the coordinator that it begins."""
    from distributed import get_worker

    get_worker().log_event(topic, task[0].name)
    return do(task, job)
