"""A real Dask scheduler and real worker processes over loopback, some of them killed.

What `--scheduler` reaches; workers of this machine are in test_local_workers.py.

The workers run `ThresholdEngine`, a stand-in for the network, put in place by a worker plugin.
"""

import csv
import gc
import hashlib
import logging
import os
import signal
import sys
import time
from collections import Counter

import pytest

from skullstrip.batch import cluster
from skullstrip.batch.options import BatchOptions
from skullstrip.batch.run import Source, run_batch
from skullstrip.errors import InputError
from skullstrip.options import Options
from Testing.image_files import save_heads

pytest.importorskip("distributed")
WORKERS = 3


@pytest.fixture(scope="module")
def client():
    """Three worker processes with the stand-in network, set up as docs/batch.md says."""
    import dask
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
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        client.register_plugin(StandIn())
        yield client


@pytest.fixture
def address(client):
    return client.scheduler.address


def options(address, weights, border_mm=0.0, **others):
    return BatchOptions(Options(weights=weights, border_mm=border_mm), scheduler=address, **others)


def table(out):
    with (out / "results.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def assert_complete(out, number):
    """One row for each scan, outputs with the hashes of their rows, and nothing else."""
    rows = table(out)
    assert [row["status"] for row in rows] == ["done"] * number, rows
    assert len({row["name"] for row in rows}) == number
    for row in rows:
        mask = (out / row["brain_mask"]).read_bytes()
        assert hashlib.sha256(mask).hexdigest() == row["mask_sha256"]
    assert len(list(out.rglob("*_brain_mask.nii.gz"))) == number
    assert len(list(out.rglob("*_brain.nii.gz"))) == number
    assert len(list((out / "qc").rglob("*.png"))) == number
    assert list(out.rglob(".skullstrip-*")) == []


# ---- handing out ---------------------------------------------------------------------------------


def slow_square(number):
    time.sleep(0.05)
    return number * number


def test_every_item_comes_back_once_and_few_are_known_to_the_scheduler(client):
    taken = []

    def items():
        for number in range(60):
            taken.append(number)
            yield number

    answers, most = [], 0
    for pair in cluster.as_done(client, slow_square, items()):
        answers.append(pair)
        most = max(most, len(taken) - len(answers))
    assert sorted(answers) == [(number, number * number) for number in range(60)]
    assert most <= 2 * WORKERS + 2 + cluster.LOT


def nothing(number):
    return number


def test_the_scheduler_keeps_next_to_nothing_of_an_item_that_is_done(client, monkeypatch):
    """It is in this process: what is counted is Python's memory blocks in use."""
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.002)
    tasks = client.cluster.scheduler.tasks

    def blocks_after(items):
        assert sum(1 for _ in cluster.as_done(client, nothing, range(items))) == items
        gc.collect()
        while tasks:  # until the scheduler has heard that nobody wants them any more
            time.sleep(0.01)
            gc.collect()
        return sys.getallocatedblocks()

    before = blocks_after(1000)  # fills the logs, whose length is limited
    kept = (blocks_after(1000) - before) / 1000
    assert kept < 5, "two are in Dask's cache of at most 100,000 keys"


def test_after_a_stop_begun_items_are_finished_and_others_are_dropped(client):
    answers = []
    stop = lambda: len(answers) > 10  # noqa: E731
    answers.extend(cluster.as_done(client, slow_square, range(500), stop))
    assert 10 < len(answers) < 50
    assert len(set(answers)) == len(answers)


# ---- whole batches -------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_has_its_scans_done_by_others(
    tmp_path, phantom, stand_in_weights, client, address
):
    source = save_heads(tmp_path / "in", 16, phantom)
    out = tmp_path / "out"
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

    told = options(address, stand_in_weights)
    result = run_batch(Source(str(source)), out, told, on_event=on_event)
    assert victims
    assert (result.done, result.failed) == (16, 0)
    assert set(finished.values()) == {1}
    assert len(finished) == 16
    assert_complete(out, 16)


@pytest.mark.slow
def test_a_rejected_scan_is_redone_with_other_options_and_no_other(
    tmp_path, phantom, stand_in_weights, address
):
    source = save_heads(tmp_path / "in", 3, phantom)
    out = tmp_path / "out"
    run_batch(Source(str(source)), out, options(address, stand_in_weights))
    before = table(out)
    (out / "decisions.csv").write_text("name,path,decision,comment\nhead01,,reject,\n")
    told = options(address, stand_in_weights, redo="rejected", border_mm=4.0)
    result = run_batch(Source(str(source)), out, told)
    assert (result.done, result.skipped) == (1, 2)
    after = table(out)
    assert [row["border_mm"] for row in after] == ["0.0", "4.0", "0.0"]
    assert float(after[1]["volume_ml"]) > float(before[1]["volume_ml"])
    assert after[0] == before[0]


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, phantom, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    source = save_heads(tmp_path / "in", 1, phantom)
    with pytest.raises(InputError, match=r"No Dask scheduler answers at 'tcp://127.0.0.1:1'"):
        run_batch(
            Source(str(source)), tmp_path / "out", BatchOptions(scheduler="tcp://127.0.0.1:1")
        )


def die(number):
    if number == 5:
        time.sleep(1)  # Dask brings no worker back that dies while it starts
        os.kill(os.getpid(), signal.SIGKILL)
    return slow_square(number)


@pytest.mark.slow
def test_an_item_that_kills_every_worker_is_given_up_and_the_rest_is_done(client):
    from distributed import KilledWorker

    answers = dict(cluster.as_done(client, die, range(12)))
    assert isinstance(answers.pop(5), KilledWorker)
    assert answers == {number: number * number for number in range(12) if number != 5}
