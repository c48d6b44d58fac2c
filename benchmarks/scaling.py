"""Our own time by stage, against voxel size and threads.

    python -m benchmarks.scaling ../shared/data

One real head is resampled to each spacing and stripped file to file, in cold processes that take
turns; medians over the rounds are printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

from skullstrip.grid.resample import resample
from skullstrip.grid.volume import Volume
from skullstrip.io.images import read_image
from training.evaluation.scores import markdown_table

from .cold import run
from .peers import OURS

SCAN = "MRHead"
SPACINGS_MM = (2.0, 1.0, 0.7, 0.5)
THREADS = (1, 2)
STAGES = ("read", "check", "prepare", "load", "predict", "judge", "restore", "mask", "write")


def main() -> int:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser("python -m benchmarks.scaling", description=main.__doc__)
    parser.add_argument("data", type=Path, help="the development data, ../shared/data")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    scan = arguments.data / "t1" / f"{SCAN}_T1w.nii.gz"
    with tempfile.TemporaryDirectory() as folder:
        heads = {mm: write_head(scan, mm, Path(folder)) for mm in SPACINGS_MM}
        cases = [(mm, max(THREADS)) for mm in SPACINGS_MM] + [(1.0, min(THREADS))]
        runs: dict[tuple[float, int], list[dict[str, float]]] = {case: [] for case in cases}
        for _ in range(arguments.rounds):
            for case in cases:
                runs[case].append(measure(heads[case[0]], case[1], Path(folder)))
    rows = []
    for (mm, threads), found in runs.items():
        typical = {key: median(run[key] for run in found) for key in found[0]}
        costs = (typical["wall_s"], 1), (typical["cpu_s"], 1), (typical["peak_mib"], 0)
        figures = [*costs, *((typical[stage], 2) for stage in STAGES)]
        rows.append([f"{mm:g}", f"{threads}", *(f"{value:.{n}f}" for value, n in figures)])
    print(markdown_table(("mm", "threads", "wall s", "CPU s", "peak MiB", *STAGES), rows))
    return 0


def write_head(scan: Path, spacing_mm: float, folder: Path) -> Path:
    """Write the scan at another isotropic spacing, int16, gzipped."""
    import nibabel

    image = read_image(scan)
    volume = Volume(image.array, image.affine)
    target = np.full(3, spacing_mm)
    array = resample(volume.array, volume.spacing_mm, target)
    affine = volume.affine.copy()
    affine[:3, :3] *= target / volume.spacing_mm
    path = folder / f"head_{spacing_mm:g}mm.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.rint(array).astype(np.int16), affine), path)
    return path


def measure(scan: Path, threads: int, folder: Path) -> dict[str, float]:
    """Return seconds of each stage, wall and CPU seconds and peak MiB of one cold process."""
    command = [
        OURS, str(scan), "--quiet",
        "-o", str(folder / "brain.nii.gz"), "-m", str(folder / "mask.nii.gz"),
        "--json", str(folder / "report.json"), "--threads", str(threads),
    ]  # fmt: skip
    costs = run(command, threads)
    timings = json.loads((folder / "report.json").read_text(encoding="utf-8"))["timings"]
    return timings | costs._asdict()


if __name__ == "__main__":
    sys.exit(main())
