"""Compare SkullStrip with its peers: same scans, cold processes, taking turns.

    python -m benchmarks ../shared/data --rounds 2

Each round runs every tool once on every scan, so that whatever else the machine does meets all of
them; ratios are formed scan by scan and round by round, and their medians are printed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from skullstrip.grid.regions import dice
from training.evaluation.scores import markdown_table

from .cold import Costs, run
from .peers import OURS, PEERS, add_peer_arguments, install

DEFAULT, THREE_VIEWS = "skullstrip", "skullstrip --views 3"
Command = Callable[[Path, Path], list[str]]  # from scan and mask to the words of a command line
SCANS = ("MRHead", "ds011_sub-07", "ds011_sub-08")  # of val, those at about 1 mm


class Run(NamedTuple):
    """What one tool took for one scan, file to file, and how good its mask is."""

    costs: Costs
    dice: float


def main() -> int:
    """Install the peers, run all tools in turns, print a table."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=main.__doc__)
    add_peer_arguments(parser, rounds=2)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--scans", nargs="+", default=SCANS, help=f"default: {' '.join(SCANS)}")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    tools: dict[str, Command] = {DEFAULT: our_command, THREE_VIEWS: our_three_views}
    for name in arguments.peers:
        try:
            environment = install(name, arguments)
        except subprocess.CalledProcessError as error:
            print(f"{name} is left out: it does not install here ({error}).", file=sys.stderr)
            continue
        tools[name] = partial(PEERS[name].arguments, environment)
    runs: dict[str, list[Run]] = {name: [] for name in tools}
    for number in range(arguments.rounds):
        for scan in arguments.scans:
            for name in list(tools):
                found = measure(name, tools[name], arguments.data / "t1", scan, arguments.threads)
                if found is None:
                    del tools[name], runs[name]
                    continue
                runs[name].append(found)
                print(f"round {number + 1}, {scan}, {name}: {found}", file=sys.stderr, flush=True)
    print(table(runs))
    return 0


def our_command(scan: Path, mask: Path) -> list[str]:
    """Run the command as users have it: brain and mask are written."""
    return [OURS, str(scan), "-o", f"{mask}.brain.nii.gz", "-m", str(mask), "--quiet"]


def our_three_views(scan: Path, mask: Path) -> list[str]:
    """Return the same with the slow option."""
    return [*our_command(scan, mask), "--views", "3"]


def measure(name: str, arguments_for: Command, data: Path, scan: str, threads: int) -> Run | None:
    """Run one tool on one scan in a process of its own; None where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "mask.nii.gz"
        try:
            costs = run(arguments_for(data / f"{scan}_T1w.nii.gz", mask), threads)
            return Run(costs, dice_on_reference_grid(mask, data / f"{scan}_mask.nii.gz"))
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"{name} fails and is left out ({error}).", file=sys.stderr)
            return None


def dice_on_reference_grid(mask: Path, reference: Path) -> float:
    """Overlap with the reference; both are turned to RAS first, which some tools write in."""
    import nibabel

    found, expected = (
        np.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj).squeeze() > 0
        for path in (mask, reference)
    )
    return float(dice(found, expected))


def table(runs: dict[str, list[Run]]) -> str:
    """Medians, and medians of the ratios of our runs to each tool's, as Markdown."""
    rows = []
    for name, found in runs.items():
        wall_s, cpu_s, peak_mib = (
            median(each) for each in zip(*(run.costs for run in found), strict=True)
        )
        ratios = [ratio(runs[DEFAULT], found, key) for key in Costs._fields]
        ratios.append(ratio(runs[THREE_VIEWS], found, "wall_s"))
        figures = f"{wall_s:.1f}", f"{cpu_s:.1f}", f"{peak_mib:.0f}"
        mean_dice = f"{np.mean([each.dice for each in found]):.4f}"
        rows.append([name, *figures, mean_dice, *(f"{each:.2f}" for each in ratios),
                     str(len(found))])  # fmt: skip
    header = ("tool", "wall s", "CPU s", "peak MiB", "mean Dice", "our wall / its", "our CPU / its",
              "our peak / its", "3 views: wall / its", "pairs")  # fmt: skip
    return markdown_table(header, rows)


def ratio(ours: list[Run], theirs: list[Run], key: str) -> float:
    """Median over the pairs of runs on one scan in one round."""
    pairs = zip(ours, theirs, strict=True)
    return median(getattr(a.costs, key) / getattr(b.costs, key) for a, b in pairs)


if __name__ == "__main__":
    sys.exit(main())
