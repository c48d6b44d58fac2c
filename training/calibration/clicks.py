"""Judge the correction by clicks: Dice after 1, 3 and 10 of them against as many dabs of a brush.

Masks are damaged ones (`wrong_masks`) and the network's own of scans as they came and under noise.
Each click and each dab goes where the largest piece of what is wrong is deepest, on a grid of 2 mm.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from skullstrip.cli.common import add_method_options, method_options
from skullstrip.grid.orientation import reorient_to_ras
from skullstrip.grid.regions import bounding_box, largest_component
from skullstrip.grid.resample import resample
from skullstrip.grid.volume import Volume
from skullstrip.mask.clicks import Click, correct_mask

from ..data.pair import Pair, read_pair
from ..evaluation.evaluate import (
    Segmenter,
    add_data_options,
    chosen_pairs,
    describe_weights,
    make_segmenter,
)
from ..evaluation.metrics import dice
from ..evaluation.report import markdown_table
from ..evaluation.stress import UNTOUCHED, choose_scans, spoil
from .wrong_masks import DAMAGES

GRID_MM = 2.0
AFFINE = np.diag([GRID_MM, GRID_MM, GRID_MM, 1.0])
MARGIN = 8  # voxels around what either mask holds
AFTER = (1, 3, 10)
OWN = {"the network's own": UNTOUCHED, "the network's own, noise": "noise"}

# Scan, mask as it is, mask as it should be, the voxel and whether brain is there: a new mask.
Tool = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, bool], np.ndarray]


def clicked(
    scan: np.ndarray, mask: np.ndarray, _truth: np.ndarray, at: np.ndarray, inside: bool
) -> np.ndarray:
    """Click once."""
    x, y, z = (float(place) for place in at * GRID_MM)
    return correct_mask(mask, scan, AFFINE, [Click((x, y, z), inside)])


def brush(radii_mm: tuple[float, ...]) -> Tool:
    """Return what paints or erases with a ball, of the radius that by the truth brings the most."""

    def dab(
        _scan: np.ndarray, mask: np.ndarray, truth: np.ndarray, at: np.ndarray, inside: bool
    ) -> np.ndarray:
        distance = distance_mm(mask.shape, at)
        balls = (distance <= radius for radius in radii_mm)
        dabbed = (mask | ball if inside else mask & ~ball for ball in balls)
        return max(dabbed, key=lambda changed: dice(changed, truth))

    return dab


TOOLS: dict[str, Tool] = {
    "brush of 5 mm": brush((2.5,)),
    "brush of the best size": brush((2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 40.0)),
    "click": clicked,
}


def distance_mm(shape: tuple[int, ...], at: np.ndarray) -> np.ndarray:
    """Return how far each voxel is from one of them."""
    offsets = np.ogrid[tuple(map(slice, shape))]
    squares = ((offset - place) ** 2 for offset, place in zip(offsets, at, strict=True))
    return np.asarray(GRID_MM * np.sqrt(sum(squares)))


def worst_place(mask: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the voxel deepest in the largest wrong piece, and whether brain belongs there."""
    missing, extra = (largest_component(wrong) for wrong in (truth & ~mask, mask & ~truth))
    inside = missing.sum() >= extra.sum()
    piece = missing if inside else extra
    box = bounding_box(piece, (1, 1, 1))
    depth = ndimage.distance_transform_edt(np.pad(piece[box], 1))[1:-1, 1:-1, 1:-1]
    place = np.unravel_index(depth.argmax(), depth.shape)
    return np.array(place) + [part.start for part in box], bool(inside)


def dice_after(tool: Tool, scan: np.ndarray, mask: np.ndarray, truth: np.ndarray) -> list[float]:
    """Return the Dice before the first and after each use of a tool."""
    found = [dice(mask, truth)]
    while len(found) <= max(AFTER):
        if (mask != truth).any():
            mask = tool(scan, mask, truth, *worst_place(mask, truth))
        found.append(dice(mask, truth))
    return found


def wrong_cases(pair: Pair, segment: Segmenter) -> Iterator[tuple[str, tuple[np.ndarray, ...]]]:
    """Give each name of a case with scan, mask and truth on a grid of 2 mm."""
    for name, perturbation in OWN.items():
        volume, truth = spoil(*read_pair(pair), perturbation, 1.0, pair.name)
        mask = segment(volume).brain_mask
        scan, mask, truth = (_coarse(each, volume.affine) for each in (volume.array, mask, truth))
        mask, truth = mask >= 0.5, truth >= 0.5
        yield name, _cropped(scan, mask, truth)
        if perturbation == UNTOUCHED:
            for damage, damaged in DAMAGES.items():
                rng = np.random.default_rng(zlib.crc32(f"{pair.name}/{damage}".encode()))
                yield damage, _cropped(scan, damaged(mask, GRID_MM, rng), truth)


def _coarse(array: np.ndarray, affine: np.ndarray) -> np.ndarray:
    ras = reorient_to_ras(Volume(array.astype(np.float32), affine))[0]
    return resample(ras.array, ras.spacing_mm, np.full(3, GRID_MM))


def _cropped(scan: np.ndarray, mask: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, ...]:
    box = bounding_box(mask | truth, (MARGIN, MARGIN, MARGIN))
    return scan[box], mask[box], truth[box]


def table(found: dict[str, list[list[list[float]]]]) -> str:
    """Return a row a kind of case: mean Dice before, and after each number of uses of each tool.

    Parameters
    ----------
    found : dict of str to list
        Of each kind of case, of each case, of each tool, what `dice_after` gave.
    """
    header = ["mask", "cases", "before", *(f"{tool}, {n}" for tool in TOOLS for n in AFTER)]
    damaged = [case for name in DAMAGES for case in found[name]]
    rows = []
    for name, cases in {**found, "all damaged": damaged}.items():
        mean = np.mean(cases, axis=0)
        after = (f"{tool[count]:.4f}" for tool in mean for count in AFTER)
        rows.append([name, str(len(cases)), f"{mean[0, 0]:.4f}", *after])
    return markdown_table(header, rows)


def main(argv: list[str] | None = None) -> int:
    """Judge the correction by clicks; write ``clicks.md``."""
    parser = argparse.ArgumentParser("python -m training clicks", description=__doc__)
    add_data_options(parser, "clicks")
    parser.add_argument("--limit", type=int, default=10, help="scans, over all data sets; 10")
    add_method_options(parser)
    arguments = parser.parse_args(argv)
    segment = make_segmenter(method_options(arguments))
    found: dict[str, list[list[list[float]]]] = {}
    for pair in choose_scans(chosen_pairs(arguments), arguments.limit):
        for name, case in wrong_cases(pair, segment):
            found.setdefault(name, []).append([dice_after(tool, *case) for tool in TOOLS.values()])
        print(f"{pair.name}: {len(found)} kinds of masks", flush=True)
    facts = "\n".join(f"- {fact}" for fact in describe_weights(arguments.weights))
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    (out / "clicks.md").write_text(f"# Clicks\n\n{facts}\n\n{table(found)}\n", encoding="utf-8")
    return 0
