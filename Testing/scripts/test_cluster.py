"""The scripts for clusters: what they start is a batch that the command accepts.

`SlurmStandIn` takes the place of dask-jobqueue's cluster; nothing is submitted anywhere.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from scripts.cluster import slurm
from skullstrip.cli.batch import make_parser

KUBERNETES = Path(slurm.__file__).with_name("kubernetes.yaml")


class SlurmStandIn:
    """Remembers what it was asked for."""

    scheduler_address = "tcp://node:8786"

    def __init__(self, **options):
        self.options = options

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def job_script(self):
        return f"#SBATCH {self.options['walltime']}\n"

    def adapt(self, **limits):
        self.options |= limits


@pytest.fixture
def started(monkeypatch):
    """Words that the batch was started with."""
    words = []
    monkeypatch.setitem(sys.modules, "dask_jobqueue", SimpleNamespace(SLURMCluster=SlurmStandIn))
    monkeypatch.setattr(slurm, "skullstrip", lambda argv: words.extend(argv) or 0)
    return words


def test_slurm_starts_a_batch_on_its_scheduler_with_the_options_behind_the_dashes(
    monkeypatch, started
):
    words = ["slurm.py", "/in", "/out", "--cores", "4", "--", "--border", "1", "--bids"]
    monkeypatch.setattr(sys, "argv", words)
    assert slurm.main() == 0
    assert started[0] == "batch"
    arguments = make_parser().parse_args(started[1:])
    assert (arguments.scheduler, arguments.threads) == ("tcp://node:8786", 4)
    asked = arguments.source, arguments.out, arguments.border_mm, arguments.bids
    assert asked == ("/in", "/out", 1.0, True)


def test_a_slurm_job_can_be_looked_at_before_any_is_submitted(monkeypatch, started, capsys):
    monkeypatch.setattr(sys, "argv", ["slurm.py", "/in", "/out", "--minutes", "90", "--show"])
    assert slurm.main() == 0
    assert started == []
    assert capsys.readouterr().out == "#SBATCH 01:30:00\n"


def test_kubernetes_runs_a_batch_that_the_command_accepts_on_one_volume():
    job = yaml.safe_load(KUBERNETES.read_text(encoding="utf-8"))
    cluster, runner = job["spec"]["cluster"]["spec"], job["spec"]["job"]["spec"]
    words = runner["containers"][0]["command"]
    assert words[:2] == ["skullstrip", "batch"]
    assert make_parser().parse_args(words[2:]).threads == 2
    worker = cluster["worker"]["spec"]
    assert worker["volumes"] == runner["volumes"]
    mounts = [pod["containers"][0]["volumeMounts"] for pod in (worker, runner)]
    assert mounts[0] == mounts[1]
    selector = cluster["scheduler"]["service"]["selector"]
    assert selector["dask.org/cluster-name"] == job["metadata"]["name"]
