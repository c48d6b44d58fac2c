"""Wrong masks made of right ones: what a brain extraction gets wrong when it goes wrong.

Each damage takes ``(mask, block_mm, rng)``, a solid mask in RAS+ blocks of about 2 mm, and returns
a new mask. `damaged_probability` makes the probability of a network that has made that mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage
from scipy.special import expit

from skullstrip.grid.regions import bounding_box
from skullstrip.mask.postprocess import move_surface

Damage = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]

EYE_RADIUS_MM = 12.0
# Across a made surface, so that the entropy there is that of the network's own surfaces (0.5 bits).
SOFT_BLOCKS = 0.7
SHARPNESS = 8.0


def grow(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Too large all around, by 1 to 6 mm."""
    return move_surface(mask, np.full(3, block_mm), rng.uniform(1, 6))


def erode(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Too small all around, by 1 to 6 mm."""
    return move_surface(mask, np.full(3, block_mm), -rng.uniform(1, 6))


def eye(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Add a leak into one orbit: a ball below and before the frontal lobe, with its way there."""
    start, size = _extent(mask)
    side = rng.choice([-1, 1])
    centre = start + (0.5, 0.90, 0.36) * size + (side * 32 / block_mm, 0, 0)
    leak = mask | _ball(mask, centre, EYE_RADIUS_MM / block_mm)
    inside = np.argwhere(mask)
    nearest = inside[((inside - centre) ** 2).sum(axis=1).argmin()]
    for share in np.linspace(0, 1, 12):  # the way there
        leak |= _ball(mask, centre + share * (nearest - centre), 4 / block_mm)
    return leak


def dura(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Add a leak through dura and skull over part of the convexity, 4 to 10 mm thick."""
    thick = move_surface(mask, np.full(3, block_mm), rng.uniform(4, 10))
    start, size = _extent(mask)
    upper = np.arange(mask.shape[2]) >= start[2] + 0.55 * size[2]
    cosine = rng.uniform(0.5, 0.9)
    direction = rng.normal(size=3)  # of the part, seen from the mask's middle
    direction[2] = abs(direction[2])
    away = _away(mask, ndimage.center_of_mass(mask))
    length = np.sqrt(sum(each**2 for each in away)) + 1e-6
    towards = sum(each * step for each, step in zip(away, _unit(direction), strict=True))
    return mask | (thick & upper & (towards / length >= cosine))


def neck(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Add a leak down from the brain stem, 30 to 60 mm long and 15 to 25 mm in radius."""
    low = bounding_box(mask)[2].start
    x, y = (float(np.mean(index)) for index in np.nonzero(mask[:, :, low : low + 3].any(axis=2)))
    i, j, k = _away(mask, (x, y, low))
    radius, length = rng.uniform(15, 25) / block_mm, rng.uniform(30, 60) / block_mm
    return mask | ((i**2 + j**2 <= radius**2) & (k <= 2) & (k >= -length))


def cerebellum(mask: np.ndarray, _block_mm: float, _rng: np.random.Generator) -> np.ndarray:
    """Take away cerebellum and brain stem."""
    start, size = _extent(mask)
    _, behind, below = _away(mask, start + (0, 0.55, 0.38) * size)
    return mask & ~((below < 0) & (behind < 0))


def half(mask: np.ndarray, _block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Half of the brain is missing: left, right, front, back or top."""
    axis, front = int(rng.integers(3)), bool(rng.integers(2))
    start, size = _extent(mask)
    lower = _away(mask, (start + start + size) // 2)[axis] < 0
    return mask & lower if front or axis == 2 else mask & ~lower


def lobe(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Take away a ball of 25 to 45 mm radius at the surface: a lobe, or part of one."""
    centre = _surface_point(mask, rng)
    return mask & ~_ball(mask, centre, rng.uniform(25, 45) / block_mm)


def shift(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Move the mask 4 to 12 mm beside the brain."""
    blocks = _unit(rng.normal(size=3)) * rng.uniform(4, 12) / block_mm
    return np.asarray(ndimage.shift(mask.astype(np.float32), blocks, order=1) >= 0.5)


def slab(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Take a slab of 8 to 24 mm from the middle half, along a random axis."""
    axis = int(rng.integers(3))
    start, size = (each[axis] for each in _extent(mask))
    depth = _away(mask, np.full(3, round(start + rng.uniform(0.25, 0.75) * size)))[axis]
    thickness = max(1, round(rng.uniform(8, 24) / block_mm))
    return mask & ~((depth >= 0) & (depth < thickness))


def holes(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Two mirrored dents of 12 to 25 mm radius: bright or dark tissue taken for something else."""
    start, size = _extent(mask)
    centre = _surface_point(mask, rng)
    mirrored = np.array([2 * start[0] + size[0] - 1 - centre[0], *centre[1:]])
    radius = rng.uniform(12, 25) / block_mm
    return mask & ~_ball(mask, centre, radius) & ~_ball(mask, mirrored, radius)


DAMAGES: dict[str, Damage] = {
    each.__name__: each
    for each in (grow, erode, eye, dura, neck, cerebellum, half, lobe, shift, slab, holes)
}


def damaged_probability(
    probability: np.ndarray, mask: np.ndarray, damaged: np.ndarray
) -> np.ndarray:
    """Return the probability of a network as sure of the damaged mask as of the right one.

    It follows the damaged surface where the mask was changed, and two blocks around.
    """
    changed = mask != damaged
    if not changed.any():
        return probability
    box = bounding_box(changed, (5, 5, 5))
    smooth = ndimage.gaussian_filter(damaged[box].astype(np.float32), SOFT_BLOCKS)
    made = expit(SHARPNESS * (smooth - 0.5))
    near = ndimage.binary_dilation(changed[box], iterations=2)
    followed = probability.copy()
    followed[box] = np.where(near, made, probability[box])
    return followed


def _extent(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First block and size of the mask along each axis."""
    start, stop = np.array([(part.start, part.stop) for part in bounding_box(mask)]).T
    return start, stop - start


def _away(mask: np.ndarray, place: Sequence[float] | np.ndarray) -> list[np.ndarray]:
    """Return how far each block lies from a place along each axis."""
    index = np.ogrid[tuple(map(slice, mask.shape))]
    return [each - centre for each, centre in zip(index, place, strict=True)]


def _ball(mask: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(sum(each**2 for each in _away(mask, centre)) <= radius**2)


def _unit(direction: np.ndarray) -> np.ndarray:
    return direction / np.linalg.norm(direction)


def _surface_point(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    surface = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    return np.asarray(surface[rng.integers(len(surface))], dtype=np.float64)
