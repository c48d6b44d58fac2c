"""Random slices of a volume: slabs of three neighbouring planes, turned, zoomed and bent.

A slab is the voxel coordinates (axis 1) of each pixel of each plane (axis 0), float32, shape
(3, 3, H, W): whatever is read along them (labels, intensities, masks) stays aligned.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from ..data.sources import Source
from .config import Sampling

# In-plane axes of a slice along X, Y and Z, in the order that inference uses.
IN_PLANE = ((1, 2), (0, 2), (0, 1))
FAR_ROTATION_SHARE, FAR_ROTATION_DEGREES = 0.06, 30.0
FAR_ZOOM_SHARE, FAR_ZOOM = 0.12, (0.6, 1.6)
COARSE = 6  # control points of the elastic field along each side


def random_slab(
    source: Source, sampling: Sampling, patch: int, spacing_mm: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Draw a slab near or beside the brain, and the spacing of its pixels in mm."""
    plane = int(rng.choice(3, p=sampling.planes))
    if rng.random() < FAR_ZOOM_SHARE:  # for infants and wrong headers
        pixel_mm = spacing_mm * float(rng.uniform(*FAR_ZOOM))
    else:
        pixel_mm = spacing_mm * float(np.exp(sampling.zoom * rng.standard_normal()))
    centre_mm = random_centre(source, sampling, plane, patch * pixel_mm, rng)
    directions = random_directions(sampling, plane, rng)
    steps_mm = np.array([pixel_mm * np.exp(0.2 * rng.standard_normal()), pixel_mm, pixel_mm])
    steps_mm[1:] *= np.exp(0.05 * rng.standard_normal(2))
    points = plane_points(centre_mm, directions * steps_mm, patch)
    if rng.random() < 0.8:
        points += elastic_field(patch, sampling.elastic_mm, rng)
    if rng.random() < sampling.swollen_share:
        points = swollen(points, source.brain_box_mm.mean(axis=0), rng)
    return points / source.spacing_mm.reshape(3, 1, 1), pixel_mm


def centred_slab(source: Source, plane: int, level_mm: float, patch: int, mm: float) -> np.ndarray:
    """Cut an undeformed slab through the brain's centre at a given level, as inference does."""
    centre_mm = source.brain_box_mm.mean(axis=0)
    centre_mm[plane] = level_mm
    points = plane_points(centre_mm, identity_directions(plane) * mm, patch)
    return points / source.spacing_mm.reshape(3, 1, 1)


def plane_points(centre_mm: np.ndarray, steps: np.ndarray, patch: int) -> np.ndarray:
    """Points of three planes in mm, shape (3 planes, 3 coordinates, patch, patch).

    `steps` holds, as columns, the way to the next plane, row and column in mm.
    """
    ramp = np.arange(patch, dtype=np.float32) - (patch - 1) / 2
    across = steps[:, 1, None] * ramp
    along = steps[:, 2, None] * ramp
    middle = centre_mm[:, None, None] + across[:, :, None] + along[:, None, :]
    neighbours = np.arange(-1, 2)[:, None] * steps[:, 0]
    return (middle[None] + neighbours[:, :, None, None]).astype(np.float32)


def identity_directions(plane: int) -> np.ndarray:
    """Return unit vectors to the next plane, row and column as columns, shape (3, 3)."""
    return np.eye(3)[:, [plane, *IN_PLANE[plane]]]


def random_directions(sampling: Sampling, plane: int, rng: np.random.Generator) -> np.ndarray:
    """`identity_directions`, turned a little, mirrored, and at times put all wrong."""
    far = rng.random() < FAR_ROTATION_SHARE
    degrees = FAR_ROTATION_DEGREES if far else sampling.rotation_degrees
    turn = Rotation.from_euler("xyz", degrees * rng.standard_normal(3), degrees=True)
    directions = turn.as_matrix() @ identity_directions(plane)
    if rng.random() < 0.5:  # a head has two sides: mirror left and right
        directions[0] *= -1
    if rng.random() < sampling.wrong_orientation_share:
        directions[:, 1:] *= rng.choice([-1.0, 1.0], size=2)
        if rng.random() < 0.5:
            directions = directions[:, [0, 2, 1]]
    if rng.random() < 0.5:  # the order of the neighbours tells nothing
        directions[:, 0] *= -1
    return directions


def random_centre(
    source: Source, sampling: Sampling, plane: int, size_mm: float, rng: np.random.Generator
) -> np.ndarray:
    """Centre of the slice in mm from the first voxel: the brain's level, or any level."""
    lower, upper = source.brain_box_mm
    centre = (lower + upper) / 2 + rng.normal(0, 0.09 * size_mm, 3)
    if rng.random() < 0.15:  # face and neck
        centre[2] -= rng.uniform(0, 0.4 * size_mm)
    if rng.random() < sampling.through_brain_share:
        centre[plane] = rng.uniform(lower[plane] - 4, upper[plane] + 4)
    else:
        centre[plane] = rng.uniform(0, source.extent_mm[plane])
    return centre.astype(np.float32)


def swollen(points: np.ndarray, centre_mm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw points towards the brain's middle, so that it looks enlarged as in hydrocephalus."""
    away = points - centre_mm.reshape(3, 1, 1)
    reach_mm = rng.uniform(20, 40)
    weight = np.exp(-(away**2).sum(axis=1, keepdims=True) / (2 * reach_mm**2))
    return (points - np.float32(rng.uniform(0.2, 0.6)) * weight * away).astype(np.float32)


def elastic_field(patch: int, amplitude_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth displacement in mm, shape (1, 3, patch, patch); the same for the three planes."""
    import cv2

    amplitude = amplitude_mm * abs(rng.standard_normal())
    coarse = (amplitude * rng.standard_normal((COARSE, COARSE, 3))).astype(np.float32)
    fine = cv2.resize(coarse, (patch, patch), interpolation=cv2.INTER_CUBIC)
    return np.moveaxis(fine, -1, 0)[None]
