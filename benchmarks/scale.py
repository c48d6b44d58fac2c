"""Many scans on many workers, simulated: what scheduling and bookkeeping cost.

    python -m benchmarks.scale --scans 1000 10000 100000

Real: `skullstrip batch TABLE OUT --scheduler ADDRESS`, Dask's scheduler in a process of its own,
TCP over loopback, the records and the tables. Simulated: the workers, which sleep
(`sleeping_workers`); no image is read or written.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

from skullstrip.batch.records import RECORDS

from .sleeping_workers import SECONDS

MB = 1e6


@dataclass(frozen=True)
class Costs:
    """What one simulated batch took."""

    scans: int
    wall_s: float
    ideal_s: float  # scans x seconds / workers, as if nothing but the scans took time
    scheduler_cpu_ms_a_scan: float
    coordinator_cpu_ms_a_scan: float
    scheduler_mb: float  # resident, the most seen
    coordinator_mb: float
    record_bytes_a_scan: float
    resume_s: float  # the same command again, on finding out that all is done


def main() -> int:
    """Simulate each number of scans and print what it took."""
    parser = argparse.ArgumentParser("python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--scans", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--speedup", type=float, default=4.0, help="of the scans; default 4")
    arguments = parser.parse_args()
    print(f"{arguments.workers} workers, scans {arguments.speedup:g} times as fast as measured")
    for number in arguments.scans:
        with tempfile.TemporaryDirectory() as folder:
            costs = simulate(number, arguments.workers, arguments.speedup, Path(folder))
        print(json.dumps(asdict(costs)), flush=True)
    return 0


def simulate(scans: int, workers: int, speedup: float, folder: Path) -> Costs:
    """One batch with a scheduler and workers of its own."""
    import psutil

    table, out = folder / "scans.csv", folder / "out"
    write_table(table, scans)
    words = ["-m", "skullstrip.cli.main", "batch", str(table), str(out), "--progress", "json"]
    with scheduler(folder) as (address, pid), crowd(address, workers, speedup):
        dask = psutil.Process(pid)
        before = sum(dask.cpu_times()[:2])
        batch = start([*words, "--scheduler", address])
        wall, own_cpu, own_mb, dask_mb = watch(batch, dask)
        cpu = sum(dask.cpu_times()[:2]) - before
    ideal = scans * mean(SECONDS) / speedup / workers
    size = sum(file.stat().st_size for file in (out / RECORDS).rglob("*.json"))
    return Costs(
        scans, round(wall, 1), round(ideal, 1), round(1e3 * cpu / scans, 2),
        round(1e3 * own_cpu / scans, 2), round(dask_mb, 1), round(own_mb, 1), round(size / scans),
        round(dry_run(words), 1),
    )  # fmt: skip


def write_table(path: Path, scans: int) -> None:
    """Return paths that lead nowhere, in folders of a hundred."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "subject"])
        for number in range(scans):
            subject = f"sub-{number:06}"
            writer.writerow([f"site{number // 100:04}/{subject}/{subject}_T1w.nii.gz", subject])


def watch(batch: subprocess.Popen[str], dask: object) -> tuple[float, float, float, float]:
    """Return seconds from the first to the last scan, CPU seconds, and the most MB of both."""
    import psutil

    own = psutil.Process(batch.pid)
    began = looked = last = 0.0
    own_cpu = own_mb = dask_mb = 0.0
    for line in batch.stdout or ():
        event = json.loads(line)
        if event["event"] == "start":
            began, own_cpu = time.monotonic(), -sum(own.cpu_times()[:2])
        if event.get("done") and event["event"] == "scan" and event["status"] != "skipped":
            last = time.monotonic()
            if event["done"] == event["total"]:
                own_cpu += sum(own.cpu_times()[:2])
                looked = 0.0
        if last and event["event"] != "end" and time.monotonic() - looked > 1:
            looked = time.monotonic()
            own_mb = max(own_mb, own.memory_info().rss / MB)
            dask_mb = max(dask_mb, dask.memory_info().rss / MB)  # type: ignore[attr-defined]
    if batch.wait():
        raise SystemExit(f"The batch ended with {batch.returncode}.")
    return last - began, own_cpu, own_mb, dask_mb


def dry_run(words: list[str]) -> float:
    """Time reading the records through; there are no files, so each scan is looked for once."""
    start_time = time.monotonic()
    subprocess.run(
        [sys.executable, *words, "--dry-run"],
        check=True,
        stdout=subprocess.DEVNULL,
        env=environment(),
    )
    return time.monotonic() - start_time


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, int]]:
    """Dask's scheduler; gives its address and process id."""
    file = folder / "scheduler.json"
    words = ["-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    process = start([*words, "--no-dashboard", "--scheduler-file", str(file)])
    try:
        while not file.exists() or not file.read_text():
            time.sleep(0.2)
        yield json.loads(file.read_text())["address"], process.pid
    finally:
        process.terminate()
        process.wait()


@contextmanager
def crowd(address: str, workers: int, speedup: float) -> Iterator[None]:
    """Start the sleeping workers."""
    words = ["-m", "benchmarks.sleeping_workers", address, str(workers), str(speedup)]
    process = start(words)
    try:
        if process.stdout is None or process.stdout.readline().strip() != "ready":
            raise SystemExit("The sleeping workers did not start.")
        yield
    finally:
        process.kill()
        process.wait()


def start(words: list[str]) -> subprocess.Popen[str]:
    """Return a Python process whose stdout is read here and whose stderr is dropped."""
    command = [sys.executable, *words]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=quiet, text=True, env=environment()
    )


def environment() -> dict[str, str]:
    """Return the caller's, with Dask's scheduler set as the scripts for clusters set it."""
    settings = {
        "DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION": "1.0",
        "DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "10",
    }
    return os.environ | settings


if __name__ == "__main__":
    sys.exit(main())
