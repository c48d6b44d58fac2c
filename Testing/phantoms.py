"""A synthetic T1 head, sampled analytically on any grid, so that its brain mask is exact."""

import functools
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

BRAIN_SEMI_AXES_MM = np.array([66.0, 84.0, 62.0])  # right, anterior, superior: 1440 mL
BRAIN_VOLUME_ML = float(4 / 3 * np.pi * np.prod(BRAIN_SEMI_AXES_MM)) / 1000
FIELD_OF_VIEW_MM = (200.0, 240.0, 200.0)  # right, anterior, superior
# Millimetres inside the pial surface at which a tissue begins, outermost first, and its intensity.
# The brain's own CSF is part of its mask, as in the reference masks.
_LAYERS = (
    (-16.0, 100.0),  # scalp: fat, brightest
    (-10.0, 7.0),  # skull
    (0.0, 45.0),  # grey matter
    (8.0, 65.0),  # white matter
)
# A single ventricle, on the right, so that the two sides can be told apart.
_VENTRICLE_CENTRE_MM = np.array([20.0, 10.0, 5.0])
_VENTRICLE_SEMI_AXES_MM = np.array([10.0, 25.0, 12.0])
_CSF, _AIR, _NECK = 15.0, 2.0, 35.0
_DIRECTIONS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


@dataclass(frozen=True)
class Phantom:
    """A head whose brain is known."""

    array: np.ndarray  # float32, shape (I, J, K)
    affine: np.ndarray  # float64, shape (4, 4); to RAS+ mm, the brain's centre at the origin
    brain_mask: np.ndarray  # bool, shape (I, J, K)


def make_head(
    orientation = "RAS", spacing_mm = (2.0, 2.0, 2.0), *,
    oblique_degrees = 0.0, field_of_view_mm = FIELD_OF_VIEW_MM,
    shift_mm = (0.0, 0.0, 0.0), noise = 1.0, seed = 0,
):  # fmt: skip
    """Sample the head on a grid whose axes point as `orientation` says, for example "PIR".

    The spacing is along the array's axes; the grid is turned by `oblique_degrees` around an axis
    between all three, the head left where it is. The field of view, and its centre's shift against
    the brain's, are to the right, anterior and superior: (0, 0, -40) crops the vertex. The noise's
    standard deviation is against a scalp of 100.
    """
    grid = tuple(tuple(map(float, three)) for three in (spacing_mm, field_of_view_mm, shift_mm))
    head = _make_once(orientation, grid, oblique_degrees, noise, seed)
    return Phantom(head.array.copy(), head.affine.copy(), head.brain_mask.copy())


@functools.lru_cache(maxsize=24)  # one of 2 mm takes 0.2 s, and hundreds of tests ask for one
def _make_once(orientation, grid, oblique_degrees, noise, seed):
    spacing_mm, field_of_view_mm, shift_mm = grid
    extents = [field_of_view_mm[_DIRECTIONS[letter][0]] for letter in orientation]
    shape = tuple(round(extent / step) for extent, step in zip(extents, spacing_mm, strict=True))
    affine = grid_affine(orientation, spacing_mm, oblique_degrees, shape, shift_mm)
    index = np.moveaxis(np.indices(shape, dtype=np.float32), 0, -1)
    world = index @ affine[:3, :3].T.astype(np.float32) + affine[:3, 3].astype(np.float32)
    depth = _depth_mm(world, BRAIN_SEMI_AXES_MM)
    array = np.full(shape, _AIR, dtype=np.float32)
    array[(world[..., 2] < -30) & (np.hypot(world[..., 0], world[..., 1] + 20) < 50)] = _NECK
    for begins, intensity in _LAYERS:
        array[depth >= begins] = intensity
    from_ventricle = world - _VENTRICLE_CENTRE_MM.astype(np.float32)
    array[_depth_mm(from_ventricle, _VENTRICLE_SEMI_AXES_MM) >= 0] = _CSF
    array += np.random.default_rng(seed).normal(0, noise, shape).astype(np.float32)
    return Phantom(np.maximum(array, 0), affine, depth >= 0)


def grid_affine(orientation, spacing_mm, oblique_degrees, shape, shift_mm):
    """Affine of a grid whose centre lies at `shift_mm`."""
    axes = np.zeros((3, 3))
    for column, letter in enumerate(orientation):
        row, sign = _DIRECTIONS[letter]
        axes[row, column] = sign * spacing_mm[column]
    turn = Rotation.from_rotvec(np.full(3, oblique_degrees / np.sqrt(3)), degrees=True)
    affine = np.eye(4)
    affine[:3, :3] = turn.as_matrix() @ axes
    affine[:3, 3] = np.array(shift_mm) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def _depth_mm(world, semi_axes_mm):
    """Depth below an ellipsoid's surface: zero on it, first-order distance in mm near it."""
    weights = np.stack([semi_axes_mm**-2, semi_axes_mm**-4], axis=1).astype(np.float32)
    radius, gradient = np.moveaxis(np.sqrt(world**2 @ weights), -1, 0)
    return radius * (1 - radius) / np.maximum(gradient, 1e-6)
