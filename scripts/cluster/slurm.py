"""Strip many scans with the workers of a Slurm cluster.

    pip install 'skullstrip[batch,cluster]' dask-jobqueue
    python scripts/cluster/slurm.py IN OUT --workers 50 --account brain -- --border 1

Run it where jobs may be submitted and processes may last (a login node, or a small job of its own).
IN, OUT and the Python environment must lie on a file system that the nodes share. What follows `--`
goes to `skullstrip batch`. `--show` prints the job that would be submitted, and submits none.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from skullstrip.cli.main import main as skullstrip


def main() -> int:
    """Start workers by Slurm, and the batch; returns the batch's exit status."""
    arguments = parse_arguments()
    # Processes for the nodes' own network: the address must not be the loopback's.
    with slurm_cluster(arguments) as cluster:
        if arguments.show:
            sys.stdout.write(cluster.job_script())
            return 0
        # Adapts down as the scans run out, and brings back workers whose jobs have ended.
        cluster.adapt(minimum_jobs=1, maximum_jobs=arguments.workers)
        words = ["batch", arguments.source, arguments.out, "--threads", str(arguments.cores)]
        return skullstrip([*words, "--scheduler", cluster.scheduler_address, *arguments.options])


def parse_arguments() -> argparse.Namespace:
    """Read the command line; `options` is what follows --."""
    words = sys.argv[1:]
    own = words[: words.index("--")] if "--" in words else words
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", metavar="IN")
    parser.add_argument("out", metavar="OUT")
    parser.add_argument("--workers", type=int, default=10, help="jobs of Slurm, at most")
    parser.add_argument("--cores", type=int, default=2, help="of each; default 2")
    parser.add_argument("--memory", default="3GB", help="of each; default 3GB")
    parser.add_argument("--minutes", type=int, default=240, help="of each job; default 240")
    parser.add_argument("--queue", help="partition")
    parser.add_argument("--account")
    parser.add_argument("--interface", help="network that the nodes share, for example ib0")
    parser.add_argument("--show", action="store_true", help="print the job and submit nothing")
    return parser.parse_args(own, argparse.Namespace(options=words[len(own) + 1 :]))


def slurm_cluster(arguments: argparse.Namespace) -> Any:
    """Make a cluster without workers: each will be one job with one process, a scan at a time."""
    import dask
    from dask_jobqueue import SLURMCluster

    # One scan a worker: a worker that dies takes only that one with it. Logs are kept.
    dask.config.set(
        {
            "distributed.scheduler.worker-saturation": 1.0,
            "distributed.admin.low-level-log-length": 10,
        }
    )
    hours, minutes = divmod(arguments.minutes, 60)
    # A worker ends by itself, between two scans, before Slurm would end it in the middle of one.
    lifetime = f"{max(arguments.minutes - 10, 1)}m"
    return SLURMCluster(
        processes=1,
        cores=1,  # of Dask: scans at a time
        job_cpu=arguments.cores,  # of Slurm: threads of the network
        memory=arguments.memory,
        walltime=f"{hours:02}:{minutes:02}:00",
        queue=arguments.queue,
        account=arguments.account,
        interface=arguments.interface,
        python=sys.executable,
        job_name="skullstrip",
        worker_extra_args=["--lifetime", lifetime, "--lifetime-stagger", "4m", "--no-dashboard"],
    )


if __name__ == "__main__":
    sys.exit(main())
