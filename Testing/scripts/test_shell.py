"""Shell scripts: what shellcheck says, and the array of Slurm jobs with a stand-in for `sbatch`.

The stand-in runs the jobs one after another, as Slurm would start them; no cluster is there.
"""

import os
import shutil
import subprocess
import sys

import pytest

from Testing.bids_data import make_bids
from Testing.programs import ENVIRONMENT, ROOT

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
