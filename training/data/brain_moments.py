"""Measure how brains lie, for `prepare/brain_moments.py`, from the masks of the training data.

    python -m training.data.brain_moments ../shared/data

prints that file. Scans for validation are left out; each brain counts with its mirror image.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from skullstrip.grid.orientation import reorient_to_ras
from skullstrip.grid.volume import Volume
from skullstrip.io.images import read_image
from skullstrip.prepare.brain_moments import EXPONENTS
from skullstrip.prepare.head_orientation import UPRIGHT, brain_moments, turned_moments

SHRINKAGE = 0.1  # of the variances, added to them: the moments of few brains are nearly dependent
ZERO = 1e-6
SPLITS = ("train", "labelmap")
HEADER = '''"""How brains lie: moments of their shape, by `python -m training.data.brain_moments`.

Of {count} masks and their mirror images, on axes running right, anterior and superior.
"""

from __future__ import annotations

import numpy as np

# Powers of the three coordinates in each moment of second and third order.
'''


def main() -> None:
    """Print the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with MANIFEST.csv")
    data = parser.parse_args().data
    with (data / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        masks = [data / row["mask"] for row in csv.DictReader(file) if row["split"] in SPLITS]
    moments = np.array([moments_of(path) for path in masks])
    sideways = np.array([exponents[0] % 2 == 1 for exponents in EXPONENTS])
    moments = np.concatenate([moments, np.where(sideways, -moments, moments)])
    covariance = np.cov(moments.T)
    precision = np.linalg.inv(covariance + SHRINKAGE * np.diag(np.diag(covariance)))
    print(HEADER.format(count=len(masks)), end="")
    print(f"EXPONENTS = (\n{_rows(EXPONENTS)})")
    print(f"# fmt: off\nMEAN = np.array([\n{_numbers(moments.mean(axis=0))}])")
    print("# Inverse covariance, a row after the other.\nPRECISION = np.array([")
    print(f"{_numbers(precision.ravel())}]).reshape(len(MEAN), len(MEAN))\n# fmt: on")


def moments_of(path: Path) -> np.ndarray:
    """Moments of one mask, shape (len(EXPONENTS),)."""
    image = read_image(path)
    volume, _ = reorient_to_ras(Volume(image.array > 0, image.affine))
    moments = brain_moments(volume.array, volume.spacing_mm)
    if moments is None:
        raise SystemExit(f"{path} holds no brain.")
    return turned_moments(moments, UPRIGHT)


def _rows(exponents: tuple[tuple[int, int, int], ...]) -> str:
    return "".join(f"    {powers},\n" for powers in exponents)


def _numbers(values: np.ndarray) -> str:
    """Eight numbers a line; what is zero by symmetry is written as zero."""
    texts = [f"{value:.4g}" if abs(value) > ZERO else "0" for value in values]
    lines = [", ".join(texts[start : start + 8]) for start in range(0, len(texts), 8)]
    return "".join(f"    {line},\n" for line in lines)


if __name__ == "__main__":
    main()
