"""Judge weights on scans whose truth is exact: painted, with a fixed seed, from held-back maps.

HEADS is what `heads` wrote; its maps of the split "truth" were never trained on.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from skullstrip.cli.common import add_options
from skullstrip.grid.volume import Volume

from ..augment.synthesis import paint
from ..data.dataset import find_pairs, select_split
from ..data.pair import HELD_BACK_SPLIT, LABEL_MAP_SPLIT, Pair
from ..data.sources import source_from_pair
from .evaluate import Scan, judge_and_report
from .scores import group_table
from .stress import MAX_SLICE_MM, PERTURBATIONS

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
BIAS, NOISE = 0.3, 0.15  # strengths of perturbations
PARTIAL_VOLUME_VOXELS = 0.5
SCALE = 1000  # of the values written into a scan


def synthetic_scans(maps: Iterable[Pair]) -> Iterator[Scan]:
    """Paint every map once for each look and slice thickness of its age group."""
    for pair in maps:
        for look, thickness_mm in SCANS[pair.group("age_group")]:
            about = (("contrast", look), ("thickness_mm", f"{thickness_mm:g}"))
            name = scan_name(pair, look, thickness_mm)
            scan = replace(pair, scan=name, groups=(*pair.groups, *about))
            yield scan, *synthetic_scan(pair, look, thickness_mm)


def scan_name(pair: Pair, look: str, thickness_mm: float) -> str:
    """Return the name of what `synthetic_scan` paints."""
    return f"{pair.subject}_{look}_{thickness_mm:g}mm"


def synthetic_scan(pair: Pair, look: str, thickness_mm: float) -> tuple[Volume, np.ndarray]:
    """Paint a scan from a map, with partial volume, shading and noise; always the same one.

    Its values go from 0 to about 1,000, its axes are RAS+. The mask is exact; of thick slices, it
    has the voxels of which half is brain.
    """
    source = source_from_pair(replace(pair, split=LABEL_MAP_SPLIT))
    rng = np.random.default_rng(zlib.crc32(scan_name(pair, look, thickness_mm).encode()))
    image = paint(source.voxels, source, look, rng)
    image = ndimage.gaussian_filter(image, PARTIAL_VOLUME_VOXELS).clip(0) * SCALE
    volume, mask = Volume(image, np.diag([*source.spacing_mm.astype(float), 1.0])), source.mask > 0
    spacing = float(volume.spacing_mm[2])
    thickening = max(0.0, (thickness_mm - spacing) / (MAX_SLICE_MM - spacing))
    for name, strength in (("bias", BIAS), ("noise", NOISE), ("thick_slices", thickening)):
        volume, mask = PERTURBATIONS[name](volume, mask, strength, rng)
    return volume, mask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("heads", type=Path, help="folder that 'heads' wrote")
    parser.add_argument("--limit", type=int, help="maps of each age group; default: all")
    parser.add_argument("-o", "--out", type=Path, default=Path("synthetic"))
    add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    held = select_split(find_pairs(arguments.heads), HELD_BACK_SPLIT)
    groups = {name: [p for p in held if p.group("age_group") == name] for name in SCANS}
    maps = [pair for members in groups.values() for pair in members[: arguments.limit]]
    count = sum(len(SCANS[pair.group("age_group")]) for pair in maps)
    about = f"{count} scans painted from {len(maps)} maps that nothing was trained on"
    print(group_table(judge_and_report(arguments, "Exact truth", synthetic_scans(maps), about)))
