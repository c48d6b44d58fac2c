"""Workers that sleep instead of stripping, all in one process: for `benchmarks.scale`.

Real Dask workers with connections of their own, heartbeats and threads; only what they do with a
scan is a stand-in: they wait as long as a scan took here, divided by the speed-up, and record an
entry like a real one.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time

from skullstrip.batch import coordinator
from skullstrip.batch import job as work
from skullstrip.batch.columns import Row
from skullstrip.batch.records import Entry, FileState, write_record
from skullstrip.batch.scans import Scan

# What 200 workers in one process would spend all its time on, and 200 processes hardly notice.
SETTINGS = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "60s",
}
SECONDS = (3.2, 3.6, 3.9, 4.1, 4.2, 4.6, 5.3, 6.5)  # of one scan; see README.md
_SHA256 = "0123456789abcdef" * 4


def main(address: str, workers: int, speedup: float) -> None:
    """Serve a scheduler until it goes away."""

    def sleep(task: work.Task, job: work.Job) -> Row:
        seconds = random.choice(SECONDS)
        time.sleep(seconds / speedup)
        found = entry(task[0], job, seconds)
        write_record(found, job.out)
        return found.row

    coordinator.do = sleep
    asyncio.run(serve(address, workers))


async def serve(address: str, workers: int) -> None:
    """Start the workers, say so, and wait for their end."""
    import dask
    from distributed import Worker

    dask.config.set(SETTINGS)
    one = {"nthreads": 1, "memory_limit": 0, "dashboard": False}
    crowd = [Worker(address, name=number, **one) for number in range(workers)]
    for some in range(0, workers, 20):
        await asyncio.gather(*(worker.start() for worker in crowd[some : some + 20]))
    print("ready", flush=True)
    await asyncio.gather(*(worker.finished() for worker in crowd))


def entry(scan: Scan, job: work.Job, seconds: float) -> Entry:
    """Return what a real worker would record, of the same size."""
    source = FileState(12_345_678, time.time_ns(), _SHA256)
    row = work.described(scan, job, source) | {
        "status": "done", "verdict": "pass", "reasons": "", "message": "", "seconds": seconds,
        "volume_ml": random.gauss(1450, 130), "volume_error_ml": 21.5, "dice_estimate": 0.987,
        "dice_error": 0.006, "engine": "onnxruntime", "device": "cpu", "weights_sha256": _SHA256,
        "mask_sha256": _SHA256, "brain_mask": scan.mask, "brain": scan.brain, "qc": scan.qc,
    }  # fmt: skip
    state = FileState(1_234_567, time.time_ns(), _SHA256)
    return Entry(row, source, job.digest, dict.fromkeys(scan.outputs, state))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
