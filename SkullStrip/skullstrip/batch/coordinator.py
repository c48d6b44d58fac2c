"""The workers of one batch, and the coordinator's side of their work: ledger, news, tables."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..io.temporary import remove_abandoned
from . import cluster, local_workers
from .columns import FAILED
from .job import Job, Task, do, lost, sentence
from .ledger import Entry, Ledger
from .ownership import Ownership
from .plan import MASK_CORRECTED
from .progress import Count, OnEvent, scan_event
from .results import write_csv
from .scans import Scan

TABLE_SECONDS = 15.0  # at least, between two tables written on the way
TABLE_SHARE = 0.05  # of the time, at most, goes into writing them
KILLED = (
    "Every worker process that tried this scan was killed, probably out of memory; use "
    "fewer --jobs."
)
Answers = Generator[list[tuple[Task, Any]], None, None]
Todo = list[tuple[Scan, str]]  # and why


@dataclass
class Coordinator:
    """Has scans stripped and keeps the books.

    Parameters
    ----------
    count : Count
        Counts on.
    on_event : callable
        Gets the events of `progress`.
    stop : callable
        Says True when no further scan shall be begun.
    own : Ownership
        Says what may be written.
    tables : bool
        Write the results table now and then, so that one is there should this process be killed.
    """

    job: Job
    ledger: Ledger
    count: Count
    on_event: OnEvent
    stop: Callable[[], bool]
    quiet: bool
    own: Ownership
    tables: bool = True
    _started: float = field(default_factory=time.monotonic, init=False)

    def strip(self, todo: Todo) -> None:
        """Strip scans; what workers that were killed left behind is removed at the end."""
        answers = self._by_dask(todo) if self.job.options.scheduler else self._here(todo)
        try:
            with closing(answers):
                self.keep_books(answers)
        finally:
            sweep([scan for scan, _ in todo], self.job.out)

    def tasks(self, todo: Todo, lot: int) -> Iterator[Task]:
        """Give what may be begun, a few at a time; what would replace a stranger's file fails."""
        waiting = iter(todo)
        while some := list(islice(waiting, lot)):
            tasks = []
            for scan, reason in some:
                known = self.ledger.get(scan.name)
                try:
                    tasks.append(self._task(scan, reason, known))
                except OutputError as error:
                    self._record([(Task(scan), error)])
            self.ledger.claim({task.scan.name: task.writes for task in tasks})
            yield from tasks

    def _task(self, scan: Scan, reason: str, known: Entry | None) -> Task:
        theirs = [] if self.job.options.overwrite else self.own.strangers(scan, known)
        if reason == MASK_CORRECTED:
            writes = tuple(path for path in scan.outputs if path not in (*theirs, scan.mask))
            self.own.refuse_inputs(writes)
            return Task(scan, known, writes)
        self.own.refuse_inputs(scan.outputs)
        if theirs:
            raise OutputError(
                f"{theirs[0]} was there already or was changed since, and is kept; move it away, "
                "name another output folder, or use --overwrite."
            )
        return Task(scan, None, tuple(scan.outputs))

    def keep_books(self, batches: Iterable[list[tuple[Task, Any]]]) -> None:
        """Record answers as they come; a batch of them is one transaction."""
        table_written = time.monotonic()
        pause = TABLE_SECONDS
        for batch in batches:
            self._record(batch)
            if self.tables and time.monotonic() - table_written > pause:
                began = time.monotonic()
                with suppress(OutputError):  # Excel has it open; the last one will tell
                    write_csv(self.ledger.rows(), self.job.out)
                table_written = time.monotonic()
                pause = max(TABLE_SECONDS, (table_written - began) / TABLE_SHARE)

    def _record(self, batch: list[tuple[Task, Any]]) -> None:
        entries = [self._entry(task.scan, answer) for task, answer in batch]
        self.ledger.record(entries)
        for entry in entries:
            self.count.add(entry.row)
            self.on_event(scan_event(entry.row, self.count, time.monotonic() - self._started))

    def _here(self, todo: Todo) -> Answers:
        """By processes of this machine."""
        options = self.job.options
        jobs = min(options.jobs or local_workers.default_jobs(), len(todo))
        threads = options.method.threads or local_workers.threads_each(jobs)
        method = replace(options.method, threads=threads)
        job = replace(self.job, options=replace(options, method=method))
        self._start(len(todo), jobs)
        yield from local_workers.as_done(
            partial(do, job=job),
            self.tasks(todo, 1),
            jobs,
            begun=lambda task: self._begins(task.scan.name),
            stop=self.stop,
            quiet=self.quiet,
        )

    def _by_dask(self, todo: Todo) -> Answers:
        """By the workers of a running scheduler."""
        with cluster.remote_client(str(self.job.options.scheduler)) as client:
            self._start(len(todo), sum(client.nthreads().values()))
            function = partial(do_aloud, job=self.job, topic=self._topic(client))
            yield from cluster.as_done(client, function, self.tasks(todo, cluster.LOT), self.stop)

    def _start(self, todo: int, jobs: int) -> None:
        self.on_event({"event": "start", "total": self.count.total, "todo": todo, "jobs": jobs})

    def _begins(self, name: str) -> None:
        self.on_event({"event": "scan", "name": name, "status": "running"})

    def _topic(self, client: Any) -> str:
        """Return where workers say which scan they begin."""
        topic = f"skullstrip-{uuid.uuid4().hex[:8]}"
        client.subscribe_topic(topic, lambda event: self._begins(event[1]))
        return topic

    def _entry(self, scan: Scan, answer: Any) -> Entry:
        is_killed = type(answer).__name__ == "KilledWorker"
        if not isinstance(answer, Entry):
            answer = lost(scan, self.job, KILLED if is_killed else sentence(answer))
        if answer.row["status"] == FAILED and (known := self.ledger.get(scan.name)):
            return replace(answer, outputs=known.outputs | answer.outputs)  # they are still there
        return answer


def do_aloud(task: Task, job: Job, topic: str) -> Entry:
    """`do`, with word to the coordinator that it begins."""
    from distributed import get_worker

    get_worker().log_event(topic, task.scan.name)
    return do(task, job)


def sweep(scans: list[Scan], out: Path) -> None:
    """Remove what workers left that were killed while they wrote, and nobody wrote there since."""
    for folder in {(out / path).parent for scan in scans for path in scan.outputs}:
        remove_abandoned(folder)
