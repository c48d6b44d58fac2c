"""Judge weights on scans whose truth is exact: painted, with a fixed seed, from held-back maps.

    python -m training synthetic HEADS --weights WEIGHTS --out synthetic

HEADS is what `heads` wrote; its maps of the split "truth" were never trained on.
"""

from __future__ import annotations

import argparse
import dataclasses
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from skullstrip.cli.common import add_method_options, method_options
from skullstrip.grid.volume import Volume
from skullstrip.network.manifest import Preprocessing

from ..augment.synthesis import paint
from ..data.dataset import select_split
from ..data.heads import HELD_BACK_SPLIT
from ..data.pair import Pair
from ..data.prepare import source_from_pair
from ..data.sources import Source
from ..data.splits import load_pairs
from .evaluate import WorstCases, describe_weights, evaluate, make_segmenter, write_evaluation
from .perturbations import PERTURBATIONS
from .report import group_table

# Looks of each age group, and how thick their slices mostly are in clinics, in mm.
SCANS = {
    "adult": (
        ("t1", 1.0), ("t1ce", 1.0), ("t1ce", 5.0), ("t2", 1.0), ("t2", 4.0), ("flair", 1.0),
        ("flair", 5.0), ("pd", 1.0), ("pd", 3.0),
    ),
    "infant": (
        ("t1", 1.0), ("unmyelinated_t1", 1.0), ("unmyelinated_t1", 3.0), ("unmyelinated_t2", 1.0),
        ("unmyelinated_t2", 3.0),
    ),
}  # fmt: skip
BIAS, NOISE = 0.3, 0.15  # strengths of `perturb`
THICKEST_MM = 6.0  # of `perturb.thick_slices` at strength 1
PARTIAL_VOLUME_VOXELS = 0.5
SCALE = 1000  # of the values written into a scan


def scans_of(pairs: Sequence[Pair]) -> list[Pair]:
    """Return every map once for each look and slice thickness of its age group."""
    return [
        painted(pair, *scan) for pair in pairs for scan in SCANS[dict(pair.groups)["age_group"]]
    ]


def painted(pair: Pair, look: str, thickness_mm: float) -> Pair:
    """Return a map as the scan that `read_synthetic` paints from it."""
    return dataclasses.replace(
        pair,
        scan=f"{pair.subject}_{look}_{thickness_mm:g}mm",
        groups=(*pair.groups, ("contrast", look), ("thickness_mm", f"{thickness_mm:g}")),
    )


def read_synthetic(pair: Pair) -> tuple[Volume, np.ndarray]:
    """Paint a pair's map as its groups say.

    Returns
    -------
    volume : Volume
        Values from 0 to about 1,000, RAS+.
    mask : ndarray of bool, shape (X, Y, Z)
        The exact mask; of thick slices, voxels of which half is brain.
    """
    groups = dict(pair.groups)
    source = source_from_pair(dataclasses.replace(pair, split="labelmap"), Preprocessing())
    rng = np.random.default_rng(zlib.crc32(pair.name.encode()))
    volume, mask = synthetic_scan(source, groups["contrast"], rng)
    spacing = float(volume.spacing_mm[2])
    strength = (float(groups["thickness_mm"]) - spacing) / (THICKEST_MM - spacing)
    return PERTURBATIONS["thick_slices"](volume, mask, max(0.0, strength), rng)


def synthetic_scan(
    source: Source, look: str, rng: np.random.Generator
) -> tuple[Volume, np.ndarray]:
    """Return a whole scan of a map, with partial volume, shading and noise, and its mask."""
    image = paint(source.voxels, source, look, rng)
    image = ndimage.gaussian_filter(image, PARTIAL_VOLUME_VOXELS).clip(0) * SCALE
    volume, mask = Volume(image, np.diag([*source.spacing_mm.astype(float), 1.0])), source.mask > 0
    for name, strength in (("bias", BIAS), ("noise", NOISE)):
        volume, mask = PERTURBATIONS[name](volume, mask, strength, rng)
    return volume, mask


def main(argv: list[str] | None = None) -> int:
    """Judge weights on synthetic scans of held-back maps."""
    parser = argparse.ArgumentParser("python -m training synthetic", description=__doc__)
    parser.add_argument("heads", type=Path, help="folder that 'heads' wrote")
    parser.add_argument("--limit", type=int, help="maps of each age group; default: all")
    parser.add_argument("-o", "--out", type=Path, default=Path("synthetic"))
    add_method_options(parser)
    arguments = parser.parse_args(argv)
    held = select_split(load_pairs(arguments.heads, None), HELD_BACK_SPLIT)
    maps = [
        pair
        for group in SCANS
        for pair in [p for p in held if ("age_group", group) in p.groups][: arguments.limit]
    ]
    worst = WorstCases()
    scores = evaluate(
        scans_of(maps), make_segmenter(method_options(arguments)), worst, read_synthetic
    )
    facts = [
        *describe_weights(arguments.weights),
        f"{len(scores)} scans painted from {len(maps)} maps that nothing was trained on",
        f"views: {arguments.views}, engine: {arguments.engine}",
    ]
    write_evaluation(arguments.out, "Exact truth", facts, scores, worst)
    print(group_table(scores))
    return 0
