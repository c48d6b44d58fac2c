"""Judge weights on spoilt scans: Dice against the strength of each perturbation.

Each perturbation is a pure function of ``(volume, mask, strength, rng)`` that gives a new
``(volume, mask)``; strength 1 is severe. The volume keeps its affine unless the perturbation is one
of the grid or of the header, the mask follows the brain.
"""

from __future__ import annotations

import argparse
import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from skullstrip.errors import InputError
from skullstrip.grid.orientation import orientation_of
from skullstrip.grid.regions import bounding_box
from skullstrip.grid.volume import Volume

from ..data.dataset import find_pairs, select_split
from ..data.pair import Pair, read_pair
from .evaluate import Scan, add_judging_arguments, judge_and_report

Rng = np.random.Generator
Spoilt = tuple[Volume, np.ndarray]  # with its brain mask
Perturbation = Callable[[Volume, np.ndarray, float, Rng], Spoilt]

MAX_ROTATION_DEGREES = 30.0
MAX_LOG_BIAS = 1.0  # a factor of e between the brain's middle and its brightest or darkest place
MAX_NOISE = 0.2  # of the 99th percentile
MAX_SLICE_MM = 6.0
MAX_CUT_MM = 40.0  # of brain
MAX_FACE_GAP_MM = 60.0
MIN_FACE_GAP_MM = 4.0
MAX_SCALE = 1.5
ANTERIOR, SUPERIOR = 1, 2  # axes of RAS+


def rotate(volume: Volume, mask: np.ndarray, strength: float, rng: Rng) -> Spoilt:
    """Turn the head by up to 30 degrees about a random axis through the brain's centre."""
    axis = rng.normal(size=3)
    turn = Rotation.from_rotvec(
        axis / np.linalg.norm(axis) * strength * MAX_ROTATION_DEGREES, degrees=True
    ).as_matrix()
    linear = volume.affine[:3, :3]
    matrix = np.linalg.solve(linear, turn @ linear)  # the turn, in voxels
    centre = np.array(ndimage.center_of_mass(mask))
    offset = centre - matrix @ centre
    array = ndimage.affine_transform(_as_float(volume), matrix, offset, order=1)
    turned = ndimage.affine_transform(mask.astype(np.float32), matrix, offset, order=1)
    return Volume(array, volume.affine), turned >= 0.5


def bias(volume: Volume, mask: np.ndarray, strength: float, rng: Rng) -> Spoilt:
    """Multiply by a smooth random field, as an uneven receive coil does."""
    axes = [np.linspace(-1, 1, size, dtype=np.float32) for size in volume.array.shape]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    terms = (x, y, z, x * y, y * z, x * z, x * x, y * y, z * z)
    field = np.zeros(volume.array.shape, dtype=np.float32)
    for weight, term in zip(rng.normal(size=9), terms, strict=True):
        field += np.float32(weight) * term
    field -= field[mask].mean()
    field = np.clip(field / np.abs(field[mask]).max(), -2, 2) * np.float32(strength * MAX_LOG_BIAS)
    low = _air(volume)
    return Volume((_as_float(volume) - low) * np.exp(field) + low, volume.affine), mask


def noise(volume: Volume, mask: np.ndarray, strength: float, rng: Rng) -> Spoilt:
    """Add Rician noise: the magnitude of a complex signal with Gaussian noise in both parts."""
    low = _air(volume)
    signal = _as_float(volume) - low
    sigma = strength * MAX_NOISE * float(np.percentile(signal, 99))
    real, imaginary = (
        rng.standard_normal(signal.shape, dtype=np.float32) * np.float32(sigma) for _ in range(2)
    )
    return Volume(np.hypot(signal + real, imaginary) + low, volume.affine), mask


def thick_slices(volume: Volume, mask: np.ndarray, strength: float, _rng: Rng) -> Spoilt:
    """Average neighbouring axial slices to up to 6 mm, on a grid of those thick slices."""
    axis = orientation_of(volume.affine).axes[SUPERIOR]
    spacing = float(volume.spacing_mm[axis])
    factor = max(1, round((spacing + strength * (MAX_SLICE_MM - spacing)) / spacing))
    if factor == 1:
        return volume, mask
    count = volume.array.shape[axis] // factor  # slices that fill no thick one are left out

    def average(array: np.ndarray) -> np.ndarray:
        moved = np.moveaxis(array, axis, 0)[: count * factor]
        thick = moved.reshape(count, factor, *moved.shape[1:]).mean(axis=1, dtype=np.float32)
        return np.moveaxis(thick, 0, axis)

    step = np.eye(4)
    step[axis, axis] = factor
    step[axis, 3] = (factor - 1) / 2  # the centre of the first thick slice
    return Volume(average(volume.array), volume.affine @ step), average(mask) >= 0.5


def crop(volume: Volume, mask: np.ndarray, strength: float, _rng: Rng, towards: int) -> Spoilt:
    """End the field of view up to 40 mm inside the brain's side in a direction."""
    orientation = orientation_of(volume.affine)
    axis = orientation.axes[towards]
    brain = bounding_box(mask)[axis]
    cut = round(strength * MAX_CUT_MM / float(volume.spacing_mm[axis]))
    start, stop = 0, mask.shape[axis]
    if orientation.flipped[towards]:
        start = min(brain.start + cut, stop - 1)
    else:
        stop = max(brain.stop - cut, 1)
    kept = tuple(slice(start, stop) if i == axis else slice(None) for i in range(3))
    shift = np.eye(4)
    shift[axis, 3] = start
    return Volume(volume.array[kept], volume.affine @ shift), mask[kept]


def deface(volume: Volume, mask: np.ndarray, strength: float, _rng: Rng) -> Spoilt:
    """Blank everything beyond a plane in front of and below the brain, up to 4 mm from it."""
    outward = (volume.affine[ANTERIOR, :3] - volume.affine[SUPERIOR, :3]) / np.sqrt(2)
    i, j, k = (np.arange(size) * step for size, step in zip(mask.shape, outward, strict=True))
    height = i[:, None, None] + j[:, None] + k
    gap = MIN_FACE_GAP_MM + (1 - strength) * (MAX_FACE_GAP_MM - MIN_FACE_GAP_MM)
    beyond = height > height[mask].max() + gap
    return Volume(np.where(beyond, _air(volume), _as_float(volume)), volume.affine), mask


def invert(volume: Volume, mask: np.ndarray, strength: float, _rng: Rng) -> Spoilt:
    """Fold the intensities of the head as a magnitude inversion recovery does.

    A value v in [0, 1] becomes |v - strength|, scaled to [0, 1]: fluid turns bright and white
    matter dark at 1, tissues of one intensity appear in between. Air stays dark.
    """
    low = _air(volume)
    signal = _as_float(volume) - low
    top = float(np.percentile(signal, 99.5)) or 1.0
    folded = np.abs(np.clip(signal / top, 0, 1) - strength) / max(strength, 1 - strength)
    closed = ndimage.binary_closing(np.pad(signal > 0.08 * top, 4), iterations=3)
    head = ndimage.binary_fill_holes(closed)[4:-4, 4:-4, 4:-4] | mask
    inverted = np.where(head, folded * top, signal * (1 - strength))
    return Volume(inverted + low, volume.affine), mask


def wrong_header(volume: Volume, mask: np.ndarray, strength: float, _rng: Rng) -> Spoilt:
    """Leave the voxels and lie about their directions, worse in three steps.

    Up to 1/3: left and right exchanged. Up to 2/3: front and back as well. Above: left and right
    exchanged, up called front and front called up.
    """
    lie = np.eye(4)
    if strength > 0:
        lie[0, 0] = -1
    if strength > 1 / 3:
        lie[1, 1] = -1
    if strength > 2 / 3:
        lie[:3, :3] = np.array([[-1, 0, 0], [0, 0, 1], [0, 1, 0]])
    return Volume(volume.array, lie @ volume.affine), mask


def scale(volume: Volume, mask: np.ndarray, strength: float, _rng: Rng, larger: bool) -> Spoilt:
    """Claim voxels up to 1.5 times as large, a giant's, or down to 1/1.5, a newborn's."""
    factor = (1 + strength * (MAX_SCALE - 1)) ** (1 if larger else -1)
    return Volume(volume.array, np.diag([factor, factor, factor, 1.0]) @ volume.affine), mask


def _as_float(volume: Volume) -> np.ndarray:
    return np.nan_to_num(volume.array.astype(np.float32), posinf=0, neginf=0)


def _air(volume: Volume) -> float:
    """Return the intensity that stands for no signal: the smallest, mostly zero."""
    return float(_as_float(volume).min())


PERTURBATIONS: dict[str, Perturbation] = {
    "rotate": rotate, "bias": bias, "noise": noise, "thick_slices": thick_slices,
    "crop_top": partial(crop, towards=SUPERIOR), "crop_front": partial(crop, towards=ANTERIOR),
    "deface": deface, "invert": invert, "wrong_header": wrong_header,
    "enlarge": partial(scale, larger=True), "shrink": partial(scale, larger=False),
}  # fmt: skip
UNTOUCHED = "none"
STRENGTHS = (0.33, 0.67, 1.0)


def spoil(volume: Volume, mask: np.ndarray, name: str, strength: float, scan: str) -> Spoilt:
    """Apply one perturbation, of strength 0 none, with random numbers of scan and name only.

    The same scan is turned about the same axis at every strength, so that strengths can be
    compared.
    """
    if strength == 0:
        return volume, mask
    rng = np.random.default_rng([0, zlib.crc32(f"{scan}/{name}".encode())])
    return PERTURBATIONS[name](volume, mask, strength, rng)


def spoilt_scans(
    pairs: Sequence[Pair], names: Sequence[str], strengths: Sequence[float]
) -> Iterator[Scan]:
    """Give each scan as it is and after every perturbation at every strength, grouped by these."""
    for pair in pairs:
        volume, mask = read_pair(pair)
        for name, strength in [(UNTOUCHED, 0.0), *itertools.product(names, strengths)]:
            groups = (("head", pair.name), (name, f"strength {strength:g}"))
            run = replace(pair, scan=f"{pair.name} {name} {strength:g}", groups=groups)
            yield run, *spoil(volume, mask, name, strength, pair.name)


def choose_scans(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """Return at most `limit` scans, taken in turn from each data set."""
    by_dataset: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_dataset.setdefault(pair.dataset, []).append(pair)
    turns = itertools.chain.from_iterable(itertools.zip_longest(*by_dataset.values()))
    return [pair for pair in turns if pair is not None][:limit]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_judging_arguments(parser, "stress")
    parser.add_argument("--only", nargs="+", choices=PERTURBATIONS, default=list(PERTURBATIONS))
    parser.add_argument("--strengths", nargs="+", type=float, default=list(STRENGTHS))
    parser.add_argument("--limit", type=int, default=6, help="scans, over all data sets; 6")


def run(arguments: argparse.Namespace) -> None:
    if any(not 0 <= strength <= 1 for strength in arguments.strengths):
        raise InputError(f"The strengths {arguments.strengths} must lie between 0 and 1.")
    pairs = select_split(find_pairs(arguments.data), arguments.split)
    heads = choose_scans(pairs, arguments.limit)
    about = (
        "strength 1 is severe, 0 leaves the scan as it is; `training/evaluation/stress.py` defines "
        "both"
    )
    scans = spoilt_scans(heads, arguments.only, arguments.strengths)
    judge_and_report(arguments, "Stress test", scans, about)
