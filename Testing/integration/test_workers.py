"""Worker processes, real ones, some of them killed: of this machine, and of a Dask cluster.

What `--scheduler` reaches is a real scheduler over loopback, whose workers run `ThresholdEngine`, a
stand-in for the network, put in place by a worker plugin.
"""

import csv
import hashlib
import logging
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from skullstrip.batch import workers
from skullstrip.batch.options import BatchOptions
from skullstrip.batch.run import run_batch
from skullstrip.batch.workers import Cluster, KilledWorker, LocalWorkers, as_done
from skullstrip.errors import EngineError, InputError
from skullstrip.network import engine
from skullstrip.options import Options
from Testing import worker_tasks
from Testing.image_files import names, save_head, save_heads
from Testing.programs import run_python

WORKERS = 2  # of this machine


def answers(function, items, jobs=WORKERS, **options):
    with LocalWorkers(jobs) as local:
        return list(as_done(local, function, items, **options))


def test_every_item_comes_back_once_and_is_taken_when_a_worker_is_free():
    taken, begun, got = [], [], []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    with LocalWorkers(WORKERS) as local:
        for pair in as_done(local, worker_tasks.slow_square, items(), begun=begun.append):
            got.append(pair)
            assert len(taken) - len(got) <= WORKERS
    assert sorted(got) == [(number, number * number) for number in range(20)]
    assert sorted(begun) == list(range(20))


def test_what_a_function_raises_is_its_answer_and_what_libraries_print_is_none():
    ((item, answer),) = answers(worker_tasks.fail, [3])
    assert (item, type(answer), answer.args) == (3, ValueError, (3,))
    assert answers(worker_tasks.chatter, [1, 2], jobs=1) == [(1, 1), (2, 2)]


def test_a_worker_that_is_killed_has_its_item_done_by_another(tmp_path):
    file = str(tmp_path / "was here")
    assert answers(worker_tasks.die_once, [file]) == [(file, "survived")]


def test_an_item_that_kills_every_worker_is_given_up_and_the_rest_is_done():
    got = dict(answers(worker_tasks.die_of_five, range(12)))
    assert isinstance(got.pop(5), KilledWorker)
    assert got == {number: number * number for number in range(12) if number != 5}


def test_a_worker_that_takes_more_than_its_share_of_memory_is_ended(monkeypatch):
    monkeypatch.setattr(workers, "memory_limit", lambda: 300_000_000)
    ((_, answer),) = answers(worker_tasks.take_memory, [1], jobs=1)
    assert isinstance(answer, KilledWorker)


def test_a_worker_in_the_middle_of_an_item_ends_by_itself_with_whoever_started_it(tmp_path):
    mark = tmp_path / "begun"
    with LocalWorkers(1) as local:
        local.submit(worker_tasks.hang, str(mark))
        while not mark.exists():
            time.sleep(0.05)
        (process,) = local._processes
    assert process.returncode == 0  # and not by the signal that ends those which stay


def test_a_worker_that_dies_while_it_starts_is_replaced(tmp_path, monkeypatch):
    mark = str(tmp_path / "started once")
    dies_once = (
        f"import os\nif not os.path.exists({str(mark)!r}): open({str(mark)!r}, 'x'); os._exit(9)\n"
    )
    monkeypatch.setattr(workers, "_START", dies_once + workers._START)
    assert answers(worker_tasks.square, [2]) == [(2, 4)]


def test_workers_that_never_start_are_one_sentence(monkeypatch):
    monkeypatch.setattr(workers, "_START", "import os; os._exit(7)")
    with pytest.raises(EngineError, match=r"end before they begin \(exit status 7, probably"):
        answers(worker_tasks.square, [2])


def test_after_a_stop_begun_items_are_finished_and_no_others():
    got = []
    stop = lambda: len(got) > 10  # noqa: E731
    with LocalWorkers(WORKERS) as local:
        got.extend(as_done(local, worker_tasks.slow_square, range(500), stop=stop))
    assert 10 < len(got) <= 11 + WORKERS


def test_each_worker_may_take_twice_its_share_of_the_processors(monkeypatch):
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
    found = dict(answers(worker_tasks.environment, names))
    assert [found[name] for name in names] == [str(workers.threads_each(WORKERS)), "1"]
    monkeypatch.setattr(workers, "available_threads", lambda: 8)
    assert [workers.threads_each(jobs) for jobs in (1, 2, 4, 16)] == [8, 8, 4, 1]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted by Linux")
def test_a_worker_has_no_threads_but_those_of_the_network():
    assert answers(worker_tasks.threads, [0]) == [(0, 2)]  # one works, one listens


@pytest.mark.slow
def test_a_script_needs_no_main_guard(tmp_path):
    save_head(tmp_path / "T1.nii.gz", "RAS", (4.0, 4.0, 4.0))
    script = tmp_path / "script.py"
    script.write_text(
        "from skullstrip import strip_batch\n"
        "result = strip_batch('T1.nii.gz', 'out', jobs=1)\n"
        "print(result.done, result.failed)\n"
    )
    done = run_python("-W", "error", script, cwd=tmp_path)  # of a pipe that is left open, too
    assert (done.stdout, done.stderr) == ("1 0\n", "")
    assert "T1_brain_mask.nii.gz" in names(tmp_path / "out")


@pytest.mark.parametrize(
    ("processors", "free_gb", "limit_gb", "jobs"),
    [
        (8, 64, 256, 8),  # as many as processors
        (8, 2.5, 256, 3),  # as memory allows
        (8, 64, 1.7, 2),  # and a container
        (8, 0.1, 256, 1),  # never none
    ],
)
def test_workers_are_as_many_as_processors_and_memory_allow(
    monkeypatch, processors, free_gb, limit_gb, jobs
):
    monkeypatch.setattr(workers, "available_threads", lambda: processors)
    memory = SimpleNamespace(available=free_gb * 1e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(workers, "memory_limit", lambda: limit_gb * 1e9)
    assert workers.default_jobs() == jobs


def test_limits_of_a_container_or_of_a_job_and_of_what_is_around_it_count(tmp_path, monkeypatch):
    limits = {
        "slurm/job/step/memory.max": "max",
        "slurm/job/memory.max": "1700000000",
        "slurm/job/cpu.max": "150000 100000",
        "slurm/cpu.max": "max 100000",
        "memory/memory.limit_in_bytes": "1600000000",  # version 1
    }
    for name, text in limits.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    groups = tmp_path / "own"
    monkeypatch.setattr(engine, "OWN_GROUPS", groups)
    monkeypatch.setattr(engine, "GROUPS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    for text, processors, memory in (
        ("0::/slurm/job/step\n", 2, 1_700_000_000),
        ("4:memory:/elsewhere\n", 8, 1_600_000_000),
    ):
        groups.write_text(text)
        assert (engine.available_threads(), workers.memory_limit()) == (processors, memory)


@pytest.fixture(scope="module")
def client():
    """Three worker processes with the stand-in network, set up as docs/batch.md says."""
    dask = pytest.importorskip("dask")
    pytest.importorskip("distributed")
    from distributed import Client, LocalCluster, WorkerPlugin

    path = list(sys.path)

    class StandIn(WorkerPlugin):
        def setup(self, worker):
            import sys

            sys.path[:] = path
            from skullstrip import pipeline
            from Testing.stand_ins import ThresholdEngine

            pipeline.create_engine = lambda *_: ThresholdEngine()

    settings = {
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.scheduler.allowed-failures": 2,
        "distributed.admin.low-level-log-length": 10,
    }
    options = {
        "n_workers": 3, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": ":0",
        "silence_logs": logging.CRITICAL,
    }  # fmt: skip
    with (
        dask.config.set(settings),
        LocalCluster(**options) as local,
        Client(local, set_as_default=False) as client,
    ):
        client.register_plugin(StandIn())
        yield client


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_has_its_scans_done_by_others(
    tmp_path, stand_in_weights, client
):
    source, out = save_heads(tmp_path / "in", 16), tmp_path / "out"
    finished, begun, victims = Counter(), [], []

    def on_event(event):
        if event.get("status") == "running":  # said in the client's own thread, which must not wait
            begun.append(event["name"])
        elif event.get("status") in ("done", "failed"):
            finished[event["name"]] += 1
        if sum(finished.values()) == 3 and not victims and event.get("status") == "done":
            assert set(begun) - set(finished), "no scan is in flight"
            victims.extend(client.run(os.getpid).values())
            os.kill(victims[0], signal.SIGKILL)

    told = BatchOptions(Options(weights=stand_in_weights), scheduler=client.scheduler.address)
    result = run_batch(str(source), out, told, on_event=on_event)
    assert victims
    assert (result.done, result.failed) == (16, 0)
    assert finished == Counter(f"head{number:02}" for number in range(16))
    for row in csv.DictReader((out / "results.csv").read_text().splitlines()):
        mask = (out / row["brain_mask"]).read_bytes()
        assert hashlib.sha256(mask).hexdigest() == row["mask_sha256"]
    for files in ("*_brain_mask.nii.gz", "*_brain.nii.gz", "qc/*.png"):
        assert len(list(out.glob(files))) == 16
    assert list(out.rglob(".skullstrip-*")) == []


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 1)
    source, told = save_heads(tmp_path / "in", 1), BatchOptions(scheduler="tcp://127.0.0.1:1")
    with pytest.raises(InputError, match=r"No Dask scheduler answers at 'tcp://127.0.0.1:1'"):
        run_batch(str(source), tmp_path / "out", told)


def die_later(number):
    if number == 5:
        time.sleep(1)  # Dask brings no worker back that dies while it starts
        os.kill(os.getpid(), signal.SIGKILL)
    return worker_tasks.slow_square(number)


@pytest.mark.slow
def test_an_item_that_kills_every_worker_of_a_cluster_is_given_up_and_the_rest_is_done(client):
    from distributed import KilledWorker

    answers = dict(as_done(Cluster(client), die_later, range(12)))
    assert isinstance(answers.pop(5), KilledWorker)
    assert answers == {number: number * number for number in range(12) if number != 5}
