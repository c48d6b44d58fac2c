"""Turn the whole of training once, on made heads: what `make train-smoke` runs.

Prepare, train with the smoke configuration, export, evaluate: minutes at most, no data needed.
Nothing is learnt in four steps, so the scores mean nothing; that every step reads what the one
before wrote does. The heads are the tests' own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from Testing.phantoms import make_head
from Testing.small_sources import SPACING_MM, brain_array, label_array
from training.__main__ import main as training
from training.data.heads import write_map

CONFIG = Path(__file__).resolve().parents[1] / "training" / "configs" / "smoke.toml"
SPLITS = ("train", "train", "val")
VOXEL_MM = 4.0


def main(argv: list[str] | None = None) -> int:
    """Run every step in a folder and return the exit status."""
    parser = argparse.ArgumentParser(description="Train, export and evaluate on made heads.")
    parser.add_argument("--folder", type=Path, help="an empty folder to keep results in")
    folder = parser.parse_args(argv).folder
    if folder is not None:
        return run(folder)
    with tempfile.TemporaryDirectory(prefix="train-smoke-") as temporary:
        return run(Path(temporary))


def run(folder: Path) -> int:
    """Make the data, then run each command on what the one before wrote."""
    began = time.monotonic()
    data = make_data(folder / "data")
    cache, network, weights, scores = (
        str(folder / name) for name in ("cache", "run", "weights", "evaluation")
    )
    commands = (
        ["prepare", str(data), cache],
        ["train", str(CONFIG), cache, network],
        ["export", network, weights],
        ["evaluate", str(data), "--split", "val", "--weights", weights, "--out", scores],
    )
    for command in commands:
        print(f"== {command[0]}", flush=True)
        status = training(command)
        if status:
            print(f"train-smoke: '{command[0]}' failed.", file=sys.stderr)
            return status
    print(f"Training turns: prepared to evaluated in {time.monotonic() - began:.0f} s.")
    return 0


def make_data(folder: Path) -> Path:
    """Write three scans and a label map with their masks; return their CSV manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["subject,split,image,mask"]

    def write(subject: str, split: str, image: np.ndarray, mask: np.ndarray, mm: float) -> None:
        names = f"{subject}.nii.gz", f"{subject}_mask.nii.gz"
        for name, array in zip(names, (image, mask), strict=True):
            write_map(array.astype(np.float32), np.diag([mm, mm, mm, 1.0]), folder / name)
        lines.append(",".join((subject, split, *names)))

    for index, split in enumerate(SPLITS):
        head = make_head("RAS", (VOXEL_MM, VOXEL_MM, VOXEL_MM), seed=index)
        write(f"head{index}", split, head.array, head.brain_mask, VOXEL_MM)
    write("labels", "labelmap", label_array(), brain_array(), SPACING_MM)
    manifest = folder / "data.csv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


if __name__ == "__main__":
    raise SystemExit(main())
