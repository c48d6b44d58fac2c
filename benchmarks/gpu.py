"""One process, several heads: the first pays for the runtime's start, the others do not.

python -m benchmarks.gpu HEAD.nii.gz ... --engines torch jax onnxruntime
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from statistics import median

from skullstrip.io.images import read_image
from skullstrip.network.engine import ENGINE_NAMES
from skullstrip.network.engines import create_engine
from skullstrip.network.manifest import load_manifest
from skullstrip.pipeline import extract_brain
from training.evaluation.scores import markdown_table

ROUNDS = 3
HEADER = ("engine", "device", "first head s", "of it predict", "later s", "predict", "GPU MiB")


def main() -> int:
    """Run every engine on every device it has, in processes of their own, and print a table."""
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=main.__doc__)
    parser.add_argument("scans", type=Path, nargs="+")
    parser.add_argument("--engines", nargs="+", default=["torch", "jax"], choices=ENGINE_NAMES)
    parser.add_argument("--devices", nargs="+", default=["gpu"], choices=("cpu", "gpu"))
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        found = measure(arguments.scans, arguments.engines[0], arguments.devices[0])
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    rows = []
    for engine, device in product(arguments.engines, arguments.devices):
        command = [sys.executable, "-m", "benchmarks.gpu", *map(str, arguments.scans),
                   "--engines", engine, "--devices", device, "--alone"]  # fmt: skip
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            rows.append([engine, device, result.stderr.strip().splitlines()[-1]])
            continue
        *seconds, gpu_mib = json.loads(result.stdout.splitlines()[-1])
        rows.append([engine, device, *(f"{each:.2f}" for each in seconds), str(gpu_mib)])
    print(markdown_table(HEADER, rows))
    return 0


def measure(scans: list[Path], engine_name: str, device: str) -> list[float]:
    """Return seconds of the first head, engine's start included, medians of the later ones, MiB."""
    images = [read_image(scan) for scan in scans]
    start = time.perf_counter()
    engine = create_engine(engine_name, *load_manifest(), device)
    runs = []
    for image in images * ROUNDS:
        found = extract_brain(image.array, image.affine, engine=engine)
        runs.append((time.perf_counter() - start, found.timings["predict"]))
        start = time.perf_counter()
    later = [median(each) for each in zip(*runs[len(scans) :], strict=True)]  # shapes seen before
    return [*runs[0], *later, gpu_mib()]


def gpu_mib() -> int:
    """Memory of the first GPU that is in use, by all programs; 0 without a driver."""
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    return int(found.split()[0])


if __name__ == "__main__":
    sys.exit(main())
