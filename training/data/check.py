"""Look at a data set before training on it: grids, orientations, and masks that cannot be right."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from skullstrip.batch.tables import write_rows
from skullstrip.errors import SkullStripError
from skullstrip.grid.orientation import orientation_of
from skullstrip.grid.volume import Volume

from .dataset import DATA_HELP, find_pairs
from .pair import GRID_TOLERANCE_MM, Pair, altered_files, grid_mismatch_mm, read_volume
from .pictures import TRUTH, page, scan_row

MIN_BRAIN_ML = 200.0  # a newborn's brain has about 350 mL
MAX_BRAIN_ML = 2600.0
MAX_LOOSE = 0.001  # share of the mask in other pieces than the largest
MAX_OUTSIDE_HEAD = 0.05  # share of the mask over air; ventricles and sulci are dark, but filled
MAX_TILT_DEGREES = 30.0
HEAD_THRESHOLD = 0.1  # of the 98th percentile: above the noise of air, below fat and tissue
COLUMNS = ("scan", "subject", "split", "dataset", "shape", "spacing_mm", "orientation",
           "tilt_degrees", "brain_ml", "problems")  # fmt: skip


def check_pair(pair: Pair) -> tuple[dict[str, object], Volume, np.ndarray]:
    """Check one scan.

    Gives what the table says, ``problems`` being empty where all is well, and for a picture the
    image and the mask; the latter is empty where it is not on the image's grid.
    """
    volume, mask_volume = read_volume(pair.image), read_volume(pair.mask)
    problems = [f"{path.name} differs from its hash" for path in altered_files(pair)]
    if (shift := grid_mismatch_mm(volume, mask_volume)) > GRID_TOLERANCE_MM:
        problems.append(f"mask on another grid ({mask_volume.array.shape}, {shift:.3g} mm apart)")
        mask = np.zeros(volume.array.shape, dtype=bool)
    else:
        mask = mask_volume.array > 0
        problems += _mask_problems(mask_volume.array, volume, pair.is_label_map)
    if not np.isfinite(volume.array).all():
        problems.append("image has values that are not finite")
    tilt = tilt_degrees(volume.affine)
    if tilt > MAX_TILT_DEGREES:
        problems.append(f"axes tilted by {tilt:.0f} degrees")
    found = {
        "shape": "x".join(map(str, volume.array.shape)),
        "spacing_mm": "x".join(f"{size:.3g}" for size in volume.spacing_mm),
        "orientation": orientation_of(volume.affine).codes,
        "tilt_degrees": round(tilt, 1),
        "brain_ml": round(int(mask.sum()) * volume.voxel_volume_ml, 1),
        "problems": "; ".join(problems),
    }
    return found, volume, mask


def _mask_problems(values: np.ndarray, volume: Volume, is_map: bool) -> Iterator[str]:
    mask = values > 0
    if not mask.any():
        yield "empty mask"
        return
    levels = np.unique(values)
    if levels.size > 2 or not np.isin(levels, (0, levels[-1])).all():
        yield f"mask has {levels.size} values instead of 0 and 1"
    brain_ml = int(mask.sum()) * volume.voxel_volume_ml
    if not MIN_BRAIN_ML <= brain_ml <= MAX_BRAIN_ML:
        yield f"{brain_ml:.0f} mL is no human brain"
    loose = 1 - np.bincount(ndimage.label(mask)[0].ravel())[1:].max() / mask.sum()
    if loose > MAX_LOOSE:
        yield f"{100 * loose:.1f} % of the mask in loose pieces"
    head = ndimage.binary_fill_holes(volume.array > 0) if is_map else head_mask(volume)
    outside = (mask & ~head).sum() / mask.sum()
    if outside > MAX_OUTSIDE_HEAD:
        yield f"{100 * outside:.0f} % of the mask outside the head"


def head_mask(volume: Volume) -> np.ndarray:
    """Return the head, roughly: what is brighter than air, closed by about 6 mm and filled."""
    values = np.nan_to_num(volume.array.astype(np.float32), posinf=0, neginf=0)
    values -= values.min()
    bright = values > HEAD_THRESHOLD * np.percentile(values, 98)
    steps = max(1, round(6 / float(volume.spacing_mm.max())))
    closed = ndimage.binary_closing(np.pad(bright, steps + 1), iterations=steps)
    inner = (slice(steps + 1, -steps - 1),) * 3
    return np.asarray(ndimage.binary_fill_holes(closed[inner]))


def tilt_degrees(affine: np.ndarray) -> float:
    """Return the largest angle between an array axis and the nearest anatomical axis."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.clip(np.abs(directions).max(axis=0), 0, 1)
    return float(np.degrees(np.arccos(cosines)).max())


def check_all(pairs: tuple[Pair, ...], out: Path) -> list[dict[str, object]]:
    """Check every pair; write ``check.csv`` and ``contact_sheet.png``, faulty scans first."""
    table, pictures = [], []
    for pair in pairs:
        row: dict[str, object] = {name: getattr(pair, name) for name in COLUMNS[:4]}
        row["scan"] = pair.name
        try:
            found, volume, mask = check_pair(pair)
            row |= found
            if pair.is_label_map:  # even grey levels for labels, whose numbers mean nothing
                ranks = np.unique(volume.array, return_inverse=True)[1]
                volume = Volume(ranks.reshape(mask.shape), volume.affine)
            about = f"{pair.name}  {row['spacing_mm']} mm  {row['orientation']}  {row['problems']}"
            pictures.append((not row["problems"], scan_row(volume, {TRUTH: mask}, about)))
        except SkullStripError as error:
            row["problems"] = str(error)
        table.append(row)
        if row["problems"]:
            print(f"{pair.name}: {row['problems']}")
    write_rows(out / "check.csv", COLUMNS, table)
    if pictures:
        pictures.sort(key=lambda entry: entry[0])
        page([picture for _, picture in pictures], columns=4).save(out / "contact_sheet.png")
    return table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help=DATA_HELP)
    parser.add_argument("-o", "--out", type=Path, default=Path("check"), help="folder of results")


def run(arguments: argparse.Namespace) -> int:
    """Check a data set; exit status 1 where a scan has a problem."""
    table = check_all(find_pairs(arguments.data), arguments.out)
    faulty = sum(bool(row["problems"]) for row in table)
    print(f"{len(table)} scans, {faulty} with problems; results in {arguments.out}")
    for words, column in (("voxel sizes (mm)", "spacing_mm"), ("orientations", "orientation")):
        print(f"{words}: {', '.join(sorted({str(row[column]) for row in table if column in row}))}")
    return 1 if faulty else 0
