"""The scripts for clusters: what they start is a batch that the command accepts.

`SlurmStandIn` takes the place of dask-jobqueue's cluster, and `SBATCH` that of `sbatch`, which runs
the jobs one after another, as Slurm would start them; no cluster is there.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from scripts.cluster import slurm
from skullstrip.cli.batch import make_parser
from Testing.bids_data import make_bids
from Testing.programs import ENVIRONMENT, ROOT

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


SBATCH = """\
import argparse, os, subprocess, sys

parser = argparse.ArgumentParser()
parser.add_argument("--array")
parser.add_argument("--wrap")
parser.add_argument("--parsable", action="store_true")
for name in ("job-name", "cpus-per-task", "mem", "time"):
    parser.add_argument(f"--{name}")
parser.add_argument("--dependency", choices=["afterany:17"])
parser.add_argument("job", nargs=argparse.REMAINDER)
asked = parser.parse_args()
if asked.array:
    last = int(asked.array.split("-")[1].split("%")[0])
    for number in range(last + 1):
        task = {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_CPUS_PER_TASK": asked.cpus_per_task}
        subprocess.run(["bash", *asked.job], env=os.environ | task, stdout=sys.stderr, check=False)
    print("17;cluster")
else:
    subprocess.run(["sh", "-c", asked.wrap], check=True)
"""


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing():
    scripts = [ROOT / ".ci" / "run", *(ROOT / "container").glob("*.sh")]
    scripts += (ROOT / "scripts").rglob("*.sh")
    subprocess.run(["shellcheck", *map(str, scripts)], check=True)


@pytest.mark.slow
def test_an_array_of_jobs_strips_every_participant_and_the_last_writes_the_table(tmp_path):
    data, out = make_bids(tmp_path / "a data set", spacing_mm=4.0), tmp_path / "out"
    programs = {"sbatch": tmp_path / "sbatch.py", "skullstrip-bids": "-m skullstrip.cli.batch"}
    for name, words in programs.items():
        command = tmp_path / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        command.chmod(0o755)
    (tmp_path / "sbatch.py").write_text(SBATCH)
    environment = ENVIRONMENT | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    words = ["bash", str(ROOT / "scripts/cluster/slurm_array.sh"), str(data), str(out)]
    subprocess.run([*words, "--views", "1"], env=environment, check=True)
    masks = {path.name for path in out.glob("sub-*/**/*_desc-brain_mask.nii.gz")}
    assert {name[:6] for name in masks} == {"sub-01", "sub-02"}
    rows = (out / "results.csv").read_text().splitlines()
    assert len(rows) == 1 + len(masks) == 4
