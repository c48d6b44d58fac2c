"""Wrong masks made of right ones: what a brain extraction gets wrong when it goes wrong.

Each damage takes ``(mask, block_mm, rng)``, a solid mask in RAS+ blocks of about 2 mm, and returns
a new mask. `damaged_probability` makes the probability of a network that has made that mistake.
"""

from __future__ import annotations

from collections.abc import Callable

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
    return _moved(mask, block_mm, rng.uniform(1, 6))


def erode(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Too small all around, by 1 to 6 mm."""
    return _moved(mask, block_mm, -rng.uniform(1, 6))


def eye(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Add a leak into one orbit: a ball below and before the frontal lobe, with its way there."""
    box = bounding_box(mask)
    side = rng.choice([-1, 1])
    size = [(part.stop - part.start) for part in box]
    middle = [(part.start + part.stop) / 2 for part in box]
    centre = np.array([
        middle[0] + side * 32 / block_mm,
        box[1].start + 0.90 * size[1],
        box[2].start + 0.36 * size[2],
    ])  # fmt: skip
    leak = mask | _ball(mask.shape, centre, EYE_RADIUS_MM / block_mm)
    inside = np.argwhere(mask)
    nearest = inside[((inside - centre) ** 2).sum(axis=1).argmin()]
    for share in np.linspace(0, 1, 12):  # the way there
        leak |= _ball(mask.shape, centre + share * (nearest - centre), 4 / block_mm)
    return leak


def dura(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Add a leak through dura and skull over part of the convexity, 4 to 10 mm thick."""
    thick = _moved(mask, block_mm, rng.uniform(4, 10))
    part = bounding_box(mask)[2]
    upper = np.arange(mask.shape[2]) >= part.start + 0.55 * (part.stop - part.start)
    return mask | (thick & upper & _cone(mask, rng, rng.uniform(0.5, 0.9)))


def neck(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Add a leak down from the brain stem, 30 to 60 mm long and 15 to 25 mm in radius."""
    low = bounding_box(mask)[2].start
    lowest = mask[:, :, low : low + 3].any(axis=2)
    x, y = (float(np.mean(index)) for index in np.nonzero(lowest))
    i, j, k = np.ogrid[tuple(map(slice, mask.shape))]
    radius, length = rng.uniform(15, 25) / block_mm, rng.uniform(30, 60) / block_mm
    tube = (i - x) ** 2 + (j - y) ** 2 <= radius**2
    return mask | (tube & (k <= low + 2) & (k >= low - length))


def cerebellum(mask: np.ndarray, _block_mm: float, _rng: np.random.Generator) -> np.ndarray:
    """Take away cerebellum and brain stem."""
    _, y, z = bounding_box(mask)
    j, k = np.arange(mask.shape[1])[:, None], np.arange(mask.shape[2])
    behind = (y.start + 0.55 * (y.stop - y.start)) - j
    below = (z.start + 0.38 * (z.stop - z.start)) - k
    return mask & ~((below > 0) & (behind > 0))[None]


def half(mask: np.ndarray, _block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Half of the brain is missing: left, right, front, back or top."""
    axis, front = int(rng.integers(3)), bool(rng.integers(2))
    part = bounding_box(mask)[axis]
    middle = (part.start + part.stop) // 2
    lower = _between(mask.shape, axis, 0, middle)
    return mask & lower if front or axis == 2 else mask & ~lower


def lobe(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Take away a ball of 25 to 45 mm radius at the surface: a lobe, or part of one."""
    centre = _surface_point(mask, rng)
    return mask & ~_ball(mask.shape, centre, rng.uniform(25, 45) / block_mm)


def shift(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Move the mask 4 to 12 mm beside the brain."""
    direction = rng.normal(size=3)
    blocks = direction / np.linalg.norm(direction) * rng.uniform(4, 12) / block_mm
    return np.asarray(ndimage.shift(mask.astype(np.float32), blocks, order=1) >= 0.5)


def slab(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Take a slab of 8 to 24 mm from the middle half, along a random axis."""
    axis = int(rng.integers(3))
    part = bounding_box(mask)[axis]
    start = round(part.start + rng.uniform(0.25, 0.75) * (part.stop - part.start))
    thickness = max(1, round(rng.uniform(8, 24) / block_mm))
    return mask & ~_between(mask.shape, axis, start, start + thickness)


def holes(mask: np.ndarray, block_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Two mirrored dents of 12 to 25 mm radius: bright or dark tissue taken for something else."""
    centre = _surface_point(mask, rng)
    part = bounding_box(mask)[0]
    mirrored = np.array([part.start + part.stop - 1 - centre[0], *centre[1:]])
    radius = rng.uniform(12, 25) / block_mm
    return mask & ~_ball(mask.shape, centre, radius) & ~_ball(mask.shape, mirrored, radius)


DAMAGES: dict[str, Damage] = {
    "grow": grow, "erode": erode, "eye": eye, "dura": dura, "neck": neck, "cerebellum": cerebellum,
    "half": half, "lobe": lobe, "shift": shift, "slab": slab, "holes": holes,
}  # fmt: skip


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


def _moved(mask: np.ndarray, block_mm: float, border_mm: float) -> np.ndarray:
    return move_surface(mask, np.full(3, block_mm), border_mm)


def _between(shape: tuple[int, ...], axis: int, start: int, stop: int) -> np.ndarray:
    """Return where the index along an axis lies between two."""
    index = np.ogrid[tuple(map(slice, shape))][axis]
    return np.asarray((index >= start) & (index < stop))


def _ball(shape: tuple[int, ...], centre: np.ndarray, radius: float) -> np.ndarray:
    i, j, k = np.ogrid[tuple(map(slice, shape))]
    return np.asarray(
        (i - centre[0]) ** 2 + (j - centre[1]) ** 2 + (k - centre[2]) ** 2 <= radius**2
    )


def _cone(mask: np.ndarray, rng: np.random.Generator, cosine: float) -> np.ndarray:
    """Everything that lies in a random direction from the mask's middle."""
    middle = np.array(ndimage.center_of_mass(mask))
    direction = rng.normal(size=3)
    direction[2] = abs(direction[2])
    direction /= np.linalg.norm(direction)
    offsets = [np.arange(size) - place for size, place in zip(mask.shape, middle, strict=True)]
    i, j, k = np.meshgrid(*offsets, indexing="ij", sparse=True)
    length = np.sqrt(i**2 + j**2 + k**2) + 1e-6
    return np.asarray((i * direction[0] + j * direction[1] + k * direction[2]) / length >= cosine)


def _surface_point(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    surface = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    return np.asarray(surface[rng.integers(len(surface))], dtype=np.float64)
