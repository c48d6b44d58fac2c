"""A real Dask scheduler and real worker processes over loopback, some of them killed.

What `--scheduler` reaches; workers of this machine are in test_workers.py.

The workers run `ThresholdEngine`, a stand-in for the network, put in place by a worker plugin.
"""

import csv
import hashlib
import logging
import os
import signal
import sys
import time
from collections import Counter

import pytest

from skullstrip.batch import workers
from skullstrip.batch.options import BatchOptions
from skullstrip.batch.run import run_batch
from skullstrip.batch.workers import Cluster, as_done
from skullstrip.errors import InputError
from skullstrip.options import Options
from Testing import worker_tasks
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
        ) as local,  # fmt: skip
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
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 1)
    source, told = save_heads(tmp_path / "in", 1), BatchOptions(scheduler="tcp://127.0.0.1:1")
    with pytest.raises(InputError, match=r"No Dask scheduler answers at 'tcp://127.0.0.1:1'"):
        run_batch(str(source), tmp_path / "out", told)


def die(number):
    if number == 5:
        time.sleep(1)  # Dask brings no worker back that dies while it starts
        os.kill(os.getpid(), signal.SIGKILL)
    return worker_tasks.slow_square(number)


@pytest.mark.slow
def test_an_item_that_kills_every_worker_is_given_up_and_the_rest_is_done(client):
    from distributed import KilledWorker

    answers = dict(as_done(Cluster(client), die, range(12)))
    assert isinstance(answers.pop(5), KilledWorker)
    assert answers == {number: number * number for number in range(12) if number != 5}
