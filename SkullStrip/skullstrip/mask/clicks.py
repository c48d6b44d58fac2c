"""Correct a mask by clicks: "brain here" and "not brain here" move its surface around them.

Mask and scan are all that is looked at, for where a network is wrong it is often sure. How far a
click lies from the mask's surface says how large the error is, because one clicks into its middle.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..grid.regions import Box, fill_holes, largest_component
from ..grid.resample import resample
from ..grid.volume import spacing_of
from .postprocess import signed_distance_mm

GRID_MM = 2.0  # of all but the last step, so that a click takes a fraction of a second
# Tuned on damaged masks of two scans; docs/quality.md says what they are worth.
REACH_MM = 30.0  # how far around a click the surface is pushed
GROWTH = 4.0  # how many times its distance from the mask a click looks for tissue
MAX_DISTANCE_MM = 60.0  # and at most
CLOSE_MM = 6.0  # sulci narrower than twice this belong to the brain
NECK_VOXELS = 2  # bridges up to twice as thick are not crossed
PUSHED, TISSUE = 0.3, 0.5  # the least share of brain among voxels of an intensity
BINS = 64
SMOOTH_BINS = 2.0
SMOOTH_VOXELS = 0.7  # makes a surface of the coarse grid's steps


class Click(NamedTuple):
    """One correction: where, in RAS+ mm, and whether brain is there."""

    position_ras: tuple[float, float, float]
    inside: bool


def correct_mask(
    mask: np.ndarray, array: np.ndarray, affine: np.ndarray, clicks: Iterable[Click]
) -> np.ndarray:
    """Return a mask with clicks applied, one after another: one piece without holes.

    Mask (bool, as `cut_brain` makes it) and scan, of any real dtype, have one shape, (I, J, K); the
    affine leads from voxel index to RAS+ mm. "Brain" adds, "not brain" takes away, nowhere farther
    than 6 cm or so from the click. One where it is so already changes nothing.

    Raises
    ------
    InputError
        A click lies outside the scan or far from the mask's surface, or leaves no brain.
    """
    if mask.flags.f_contiguous and not mask.flags.c_contiguous:  # twice as quick along memory
        return correct_mask(mask.T, array.T, affine[:, [2, 1, 0, 3]], clicks).T
    for click in clicks:
        mask = _corrected(mask, array, affine, click)
    return mask


def _corrected(mask: np.ndarray, array: np.ndarray, affine: np.ndarray, click: Click) -> np.ndarray:
    spacing_mm = spacing_of(affine)
    voxel = np.rint(np.linalg.solve(affine, [*click.position_ras, 1.0])[:3]).astype(int)
    if (voxel < 0).any() or (voxel >= mask.shape).any():
        raise InputError("A click lies outside the scan; put it into the head.")
    if mask[tuple(voxel)] == click.inside:
        return mask
    nearby = _box_around(voxel, MAX_DISTANCE_MM, spacing_mm, mask.shape)
    from_click = _distance_mm(mask[nearby].shape, voxel - _start(nearby), spacing_mm)
    distance_mm = float(from_click[mask[nearby] == click.inside].min(initial=np.inf))
    if distance_mm > MAX_DISTANCE_MM:
        raise InputError(
            f"A click lies more than {MAX_DISTANCE_MM:g} mm from the mask's surface; begin closer "
            "to it."
        )
    depth_mm = distance_mm - float(spacing_mm.min()) / 2
    growth_mm = min(GROWTH * depth_mm, MAX_DISTANCE_MM) if click.inside else 0.0
    reach_mm = max(REACH_MM, depth_mm, growth_mm)
    box = _box_around(voxel, reach_mm + CLOSE_MM, spacing_mm, mask.shape)
    place = voxel - _start(box)
    sizes = {"depth_mm": depth_mm, "reach_mm": reach_mm}
    flipped = _flipped(mask[box], array[box], spacing_mm, place, inside=click.inside, **sizes)
    # As far as what is right already, so that the click itself ends on the right side.
    flipped |= _distance_mm(flipped.shape, place, spacing_mm) <= distance_mm
    corrected = mask.copy()
    corrected[box] = mask[box] | flipped if click.inside else mask[box] & ~flipped
    if not corrected.any():
        raise InputError("This click leaves no brain; take it back.")
    return fill_holes(largest_component(corrected))


def _flipped(
    mask: np.ndarray,
    array: np.ndarray,
    spacing_mm: np.ndarray,
    voxel: np.ndarray,
    *,
    depth_mm: float,
    reach_mm: float,
    inside: bool,
) -> np.ndarray:
    """Return what changes sides, in a box around the click's voxel; found on a grid of 2 mm."""
    grid_mm = np.full(3, GRID_MM)
    coarse = resample(mask, spacing_mm, grid_mm) >= 0.5
    wrong = coarse != inside
    middle = (np.array(coarse.shape) - 1) / 2  # where both grids have their centre
    place = middle + (voxel - (np.array(mask.shape) - 1) / 2) * spacing_mm / GRID_MM
    from_click = _distance_mm(coarse.shape, place, grid_mm)
    ball = wrong & (from_click <= max(depth_mm, 0.6 * GRID_MM))
    if not ball.any() or wrong.all():
        return np.zeros_like(mask)
    # At the click the surface is pushed twice as far as the click is from it, elsewhere less.
    share = np.clip(from_click / max(REACH_MM, depth_mm), 0.0, 1.0)
    push_mm = depth_mm * (1 + np.cos(np.pi * share))
    changed = wrong & (-signed_distance_mm(wrong, grid_mm) <= push_mm)
    if inside:
        values = resample(np.nan_to_num(array, posinf=0.0, neginf=0.0), spacing_mm, grid_mm)
        brainness = _brainness(values, coarse, ball)
        changed &= brainness > PUSHED
        reached = wrong & (from_click <= reach_mm)
        changed |= _tissue_around(ball, changed, reached & (brainness > TISSUE))
        changed |= reached & _closed(coarse | ball | changed)
    changed |= ball
    surface = ndimage.gaussian_filter((coarse ^ changed).astype(np.float32), SMOOTH_VOXELS)
    near = ndimage.binary_dilation(changed, iterations=2)
    surface, near = (resample(each, grid_mm, spacing_mm, mask.shape) for each in (surface, near))
    return (near >= 0.5) & ((surface >= 0.5) == inside)


def _brainness(values: np.ndarray, mask: np.ndarray, ball: np.ndarray) -> np.ndarray:
    """Return the share of brain, against what is beside it, at each voxel's intensity; 0 to 1."""
    low, high = (float(p) for p in np.percentile(values[mask | ball], [0.5, 99.5]))
    span = max(high - low, 1e-6)
    bins = np.clip(((values - low) / span + 0.1) / 1.5 * BINS, 0, BINS - 1).astype(np.int16)

    def share(where: np.ndarray) -> np.ndarray:
        counts = np.bincount(bins[where], minlength=BINS).astype(np.float64)
        return ndimage.gaussian_filter1d(counts / max(counts.sum(), 1.0), SMOOTH_BINS)

    brain, beside = (share(ball) + share(mask)) / 2, share(~(mask | ball))
    ratio = brain / (brain + beside + 1e-6)
    return ndimage.gaussian_filter(ratio[bins].astype(np.float32), SMOOTH_VOXELS)


def _tissue_around(ball: np.ndarray, start: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """Return the tissue that a way from the click leads to, not through thin bridges."""
    thick = ndimage.binary_erosion(tissue, iterations=NECK_VOXELS, border_value=1)
    seeds = (start & thick) | ball
    reached = ndimage.binary_propagation(seeds, mask=thick | seeds)
    return ndimage.binary_dilation(reached, iterations=NECK_VOXELS) & tissue


def _closed(mask: np.ndarray) -> np.ndarray:
    """Return a mask with what is narrower than twice `CLOSE_MM` filled."""
    near = ndimage.distance_transform_edt(~mask, sampling=GRID_MM) <= CLOSE_MM
    return np.asarray(ndimage.distance_transform_edt(near, sampling=GRID_MM) > CLOSE_MM)


def _box_around(
    voxel: np.ndarray, reach_mm: float, spacing_mm: np.ndarray, shape: tuple[int, ...]
) -> Box:
    reach = np.ceil(reach_mm / spacing_mm).astype(int)
    x, y, z = (
        slice(max(0, int(at - more)), min(size, int(at + more) + 1))
        for at, more, size in zip(voxel, reach, shape, strict=True)
    )
    return x, y, z


def _start(box: Box) -> np.ndarray:
    return np.array([part.start for part in box])


def _distance_mm(shape: tuple[int, ...], centre: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Return how far each voxel of a grid is from a place in it, in mm."""
    x, y, z = (
        (np.arange(size) - at) * step
        for size, at, step in zip(shape, centre, spacing_mm, strict=True)
    )
    return np.sqrt(x[:, None, None] ** 2 + y[:, None] ** 2 + z**2)
