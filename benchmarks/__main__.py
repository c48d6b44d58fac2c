"""Compare SkullStrip with its peers: same scans, cold processes, taking turns.

    python -m benchmarks ../shared/data --rounds 2
    python -m benchmarks ../shared/data --batch --rounds 3

Each round runs every tool once on every scan, so that whatever else the machine does meets all of
them; ratios are formed scan by scan and round by round, and their medians are printed. With
`--batch` each gets a folder of heads instead: ours with one and two workers, and those peers that
read one.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

from skullstrip.grid.regions import dice
from training.evaluation.scores import markdown_table

from .peers import PEERS, Costs, filled, install, run

CACHE = Path.home() / ".cache" / "skullstrip-benchmarks"  # environments, made once
SCANS = ("MRHead", "ds011_sub-07", "ds011_sub-08")  # of val, those at about 1 mm
BATCH = ("MRHead", *(f"ds011_sub-0{number}" for number in (1, 2, 3, 4, 5, 7, 8)))
DEFAULT, THREE_VIEWS = "skullstrip", "skullstrip --views 3"
# As users have it: brain and mask are written.
OUR_COMMAND = "{bin}/skullstrip {scan} -o {mask}.brain.nii.gz -m {mask} --quiet"
OUR_BATCH = "{bin}/skullstrip batch {folder} {out} --progress none --jobs"
Found = dict[str, list[tuple[Costs, float]]]  # by tool, with the mask's Dice


def main() -> int:
    """Install the peers, run all tools in turns, print a table of medians."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=main.__doc__)
    parser.add_argument("data", type=Path, help="the development data, ../shared/data")
    parser.add_argument("--batch", action="store_true", help="whole folders, not scan by scan")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--torch", default="torch", help="requirement, e.g. torch==2.13.0+cpu")
    parser.add_argument("--environments", type=Path, default=CACHE, help="of the peers")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--scans", nargs="+", help=f"default: {' '.join(SCANS)}")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    tools = chosen_tools(arguments)
    scans = arguments.scans or (BATCH if arguments.batch else SCANS)
    works = [tuple(scans)] if arguments.batch else [(scan,) for scan in scans]
    found: Found = {name: [] for name in tools}
    for number in range(arguments.rounds):
        for work in works:
            for name, (command, programs) in list(tools.items()):
                try:
                    costs, overlap = measure(command, programs, arguments, work)
                except (subprocess.CalledProcessError, OSError) as error:
                    print(f"{name} fails and is left out ({error}).", file=sys.stderr)
                    del tools[name], found[name]
                    continue
                found[name].append((costs, overlap))
                print(f"round {number + 1}, {' '.join(work)}, {name}: {costs}", file=sys.stderr)
    print(batch_table(found, len(scans)) if arguments.batch else scan_table(found))
    return 0


def chosen_tools(arguments: argparse.Namespace) -> dict[str, tuple[str, Path]]:
    """Return the command of each tool, and where its programs are; install the peers."""
    ours = {DEFAULT: OUR_COMMAND, THREE_VIEWS: f"{OUR_COMMAND} --views 3"}
    if arguments.batch:
        ours = {f"{DEFAULT} batch --jobs {jobs}": f"{OUR_BATCH} {jobs}" for jobs in (1, 2)}
    tools = {name: (command, Path(sys.executable).parent) for name, command in ours.items()}
    for name in arguments.peers:
        if command := PEERS[name].batch if arguments.batch else PEERS[name].command:
            try:
                tools[name] = command, install(name, arguments.torch, arguments.environments)
            except subprocess.CalledProcessError as error:
                print(f"{name} is left out: it does not install here ({error}).", file=sys.stderr)
    return tools


def measure(
    command: str, programs: Path, arguments: argparse.Namespace, scans: tuple[str, ...]
) -> tuple[Costs, float]:
    """Run one tool on scans in a process of its own; the Dice is the first one's, 0 of a batch."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, out = Path(temporary, "in"), Path(temporary, "out")
        for each in (folder, out / "brains", out / "masks"):
            each.mkdir(parents=True)
        for name in scans:
            source = arguments.data / "t1" / f"{name}_T1w.nii.gz"
            shutil.copyfile(source, folder / f"{name}.nii.gz")
        scan, mask = folder / f"{scans[0]}.nii.gz", out / "mask.nii.gz"
        places = {"bin": programs, "scan": scan, "mask": mask, "folder": folder, "out": out}
        costs = run(filled(command, **places), arguments.threads)
        reference = arguments.data / "t1" / f"{scans[0]}_mask.nii.gz"
        return costs, 0.0 if arguments.batch else dice_on_reference_grid(mask, reference)


def dice_on_reference_grid(mask: Path, reference: Path) -> float:
    """Overlap with the reference; both are turned to RAS first, which some tools write in."""
    import nibabel

    found, expected = (
        np.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj).squeeze() > 0
        for path in (mask, reference)
    )
    return float(dice(found, expected))


def scan_table(found: Found) -> str:
    """Medians, and medians of the ratios of our runs to each tool's, as Markdown."""
    rows = []
    for name, runs in found.items():
        costs, overlaps = zip(*runs, strict=True)
        wall_s, cpu_s, peak_mib = (median(each) for each in zip(*costs, strict=True))
        ratios = [ratio(found[DEFAULT], runs, key) for key in Costs._fields]
        ratios.append(ratio(found[THREE_VIEWS], runs, "wall_s"))
        figures = f"{wall_s:.1f}", f"{cpu_s:.1f}", f"{peak_mib:.0f}", f"{np.mean(overlaps):.4f}"
        rows.append([name, *figures, *(f"{each:.2f}" for each in ratios), str(len(runs))])
    header = ("tool", "wall s", "CPU s", "peak MiB", "mean Dice", "our wall / its", "our CPU / its",
              "our peak / its", "3 views: wall / its", "pairs")  # fmt: skip
    return markdown_table(header, rows)


def ratio(ours: list[tuple[Costs, float]], theirs: list[tuple[Costs, float]], key: str) -> float:
    """Median over the pairs of runs on one scan in one round."""
    pairs = zip(ours, theirs, strict=True)
    return median(getattr(a, key) / getattr(b, key) for (a, _), (b, _) in pairs)


def batch_table(found: Found, scans: int) -> str:
    """Medians of whole batches."""
    rows = []
    for name, runs in found.items():
        each = zip(*(costs for costs, _ in runs), strict=True)
        wall_s, cpu_s, peak_mib = map(median, each)
        figures = f"{60 * scans / wall_s:.1f}", f"{cpu_s / scans:.1f}", f"{peak_mib:.0f}"
        rows.append([name, str(scans), str(len(runs)), *figures])
    header = ("tool", "scans", "runs", "scans a minute", "CPU s a scan", "peak MiB, all processes")
    return markdown_table(header, rows)


if __name__ == "__main__":
    sys.exit(main())
