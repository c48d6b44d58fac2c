"""Look at a data set before training on it: grids, orientations, and masks that cannot be right."""

from __future__ import annotations

import argparse
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from scipy import ndimage

from skullstrip.errors import SkullStripError
from skullstrip.grid.orientation import axis_codes
from skullstrip.grid.volume import Volume

from .csv_manifest import write_csv
from .dataset import find_pairs
from .pair import GRID_TOLERANCE_MM, Pair, altered_files, grid_mismatch_mm, read_volume
from .pictures import TRUTH, page, scan_row

MIN_BRAIN_ML = 200.0  # a newborn's brain has about 350 mL
MAX_BRAIN_ML = 2600.0
MAX_OUTSIDE_HEAD = 0.05  # share of the mask over air; ventricles and sulci are dark, but filled
MAX_TILT_DEGREES = 30.0
HEAD_THRESHOLD = 0.1  # of the 98th percentile: above the noise of air, below fat and tissue


@dataclass(frozen=True)
class Finding:
    """What the check says about one scan; `problems` is empty where all is well."""

    scan: str
    subject: str
    split: str
    dataset: str
    shape: str = ""
    spacing_mm: str = ""
    orientation: str = ""
    tilt_degrees: float = float("nan")
    brain_ml: float = float("nan")
    outside_head: float = float("nan")
    problems: str = ""


def check_pair(pair: Pair) -> tuple[Finding, Volume, np.ndarray]:
    """Check one scan.

    Returns
    -------
    finding : Finding
    volume : Volume
        The image, for a picture.
    mask : ndarray of bool, shape (X, Y, Z)
        The mask; empty where it is not on the image's grid.
    """
    volume, mask_volume = read_volume(pair.image), read_volume(pair.mask)
    problems = [f"{path.name} differs from its hash" for path in altered_files(pair)]
    shift = grid_mismatch_mm(volume, mask_volume)
    if shift > GRID_TOLERANCE_MM:
        problems.append(f"mask on another grid ({mask_volume.array.shape}, {shift:.3g} mm apart)")
        mask = np.zeros(volume.array.shape, dtype=bool)
    else:
        mask = mask_volume.array > 0
        problems += _mask_problems(mask_volume.array, mask, volume)
    outside = _outside_head(volume, mask, is_label_map=pair.is_label_map)
    if outside > MAX_OUTSIDE_HEAD:
        problems.append(f"{100 * outside:.0f} % of the mask outside the head")
    if not np.isfinite(volume.array).all():
        problems.append("image has values that are not finite")
    tilt = tilt_degrees(volume.affine)
    if tilt > MAX_TILT_DEGREES:
        problems.append(f"axes tilted by {tilt:.0f} degrees")
    finding = Finding(
        scan=pair.name,
        subject=pair.subject,
        split=pair.split,
        dataset=pair.dataset,
        shape="x".join(map(str, volume.array.shape)),
        spacing_mm="x".join(f"{size:.3g}" for size in volume.spacing_mm),
        orientation=axis_codes(volume.affine),
        tilt_degrees=round(tilt, 1),
        brain_ml=round(int(mask.sum()) * volume.voxel_volume_ml, 1),
        outside_head=round(outside, 4),
        problems="; ".join(problems),
    )
    return finding, volume, mask


def _mask_problems(values: np.ndarray, mask: np.ndarray, volume: Volume) -> list[str]:
    if not mask.any():
        return ["empty mask"]
    problems = []
    levels = np.unique(values)
    if levels.size > 2 or not np.isin(levels, (0, levels[-1])).all():
        problems.append(f"mask has {levels.size} values instead of 0 and 1")
    brain_ml = int(mask.sum()) * volume.voxel_volume_ml
    if not MIN_BRAIN_ML <= brain_ml <= MAX_BRAIN_ML:
        problems.append(f"{brain_ml:.0f} mL is no human brain")
    labels, count = ndimage.label(mask)
    if count > 1:
        loose = 1 - np.bincount(labels.ravel())[1:].max() / mask.sum()
        if loose > 0.001:
            problems.append(f"{100 * loose:.1f} % of the mask in loose pieces")
    return problems


def head_mask(volume: Volume) -> np.ndarray:
    """Return the head, roughly: what is brighter than air, closed by about 6 mm and filled."""
    values = np.nan_to_num(volume.array.astype(np.float32), posinf=0, neginf=0)
    values -= values.min()
    bright = values > HEAD_THRESHOLD * np.percentile(values, 98)
    steps = max(1, round(6 / float(volume.spacing_mm.max())))
    padded = np.pad(bright, steps + 1)
    closed = ndimage.binary_closing(padded, iterations=steps)
    inner = (slice(steps + 1, -steps - 1),) * 3
    return np.asarray(ndimage.binary_fill_holes(closed[inner]))


def _outside_head(volume: Volume, mask: np.ndarray, *, is_label_map: bool) -> float:
    if not mask.any():
        return 0.0
    head = ndimage.binary_fill_holes(volume.array > 0) if is_label_map else head_mask(volume)
    return float((mask & ~head).sum() / mask.sum())


def tilt_degrees(affine: np.ndarray) -> float:
    """Return the largest angle between an array axis and the nearest anatomical axis."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.clip(np.abs(directions).max(axis=0), 0, 1)
    return float(np.degrees(np.arccos(cosines)).max())


def check_all(pairs: tuple[Pair, ...], out: Path) -> list[Finding]:
    """Check every pair; write ``check.csv`` and ``contact_sheet.png``, faulty scans first."""
    findings, rows = [], []
    for number, pair in enumerate(pairs, 1):
        try:
            finding, volume, mask = check_pair(pair)
            caption = f"{pair.name}  {finding.spacing_mm} mm  {finding.orientation}"
            shown = _ranked(volume) if pair.is_label_map else volume
            row = scan_row(shown, {TRUTH: mask}, f"{caption}  {finding.problems}")
            rows.append((not finding.problems, number, row))
        except SkullStripError as error:
            about = (pair.name, pair.subject, pair.split, pair.dataset)
            finding = Finding(*about, problems=str(error))
        findings.append(finding)
        if finding.problems:
            print(f"{pair.name}: {finding.problems}")
    out.mkdir(parents=True, exist_ok=True)
    header = [field.name for field in fields(Finding)]
    write_csv(out / "check.csv", header, map(astuple, findings))
    if rows:
        ordered = [row for *_, row in sorted(rows, key=lambda entry: entry[:2])]
        page(ordered, columns=4).save(out / "contact_sheet.png")
    return findings


def _ranked(labels: Volume) -> Volume:
    """Even grey levels for labels, whose numbers mean nothing."""
    ranks = np.unique(labels.array, return_inverse=True)[1]
    return Volume(ranks.reshape(labels.array.shape), labels.affine)


def main(argv: list[str] | None = None) -> int:
    """Check a data set; exit status 1 where a scan has a problem."""
    parser = argparse.ArgumentParser("python -m training check", description=__doc__)
    parser.add_argument("data", type=Path, help="data set: folder, BIDS or CSV manifest")
    parser.add_argument("-o", "--out", type=Path, default=Path("check"), help="folder of results")
    arguments = parser.parse_args(argv)
    findings = check_all(find_pairs(arguments.data), arguments.out)
    faulty = sum(bool(finding.problems) for finding in findings)
    spacings = sorted({f.spacing_mm for f in findings if f.spacing_mm})
    orientations = sorted({f.orientation for f in findings if f.orientation})
    print(f"{len(findings)} scans, {faulty} with problems; results in {arguments.out}")
    print(f"voxel sizes (mm): {', '.join(spacings)}")
    print(f"orientations: {', '.join(orientations)}")
    return 1 if faulty else 0
