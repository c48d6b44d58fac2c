"""A smooth, closed surface around a mask, in RAS mm.

Naive surface nets (Gibson, MICCAI 1998): one vertex in each cell of eight voxel centres that the
surface passes through, at the mean of where it crosses the cell's edges, and one quadrilateral
around each crossed edge. No tables, well-shaped triangles, and a third of those of marching
tetrahedra.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..grid.regions import bounding_box
from ..grid.volume import spacing_of, voxel_ml

# Gaussian of this width, in mm and in voxels of each axis: less leaves the stairs between voxels,
# and between slices less than half their distance does.
SMOOTHING = 1.3
SLICE_SMOOTHING = 0.5
PADDING = 4  # of these widths around the mask, which is as far as the smoothing reaches
NUDGE = 1e-4  # of the field, above the level, where a voxel is added to keep the surface manifold


@dataclass(frozen=True)
class Surface:
    """Triangles in space."""

    points_mm: np.ndarray  # float32, shape (P, 3); RAS
    # int32, shape (T, 3); indices of points, counterclockwise seen from outside.
    triangles: np.ndarray

    @property
    def volume_ml(self) -> float:
        """Enclosed volume by the divergence theorem; positive where normals point outwards."""
        corners = (self.points_mm - self.points_mm.mean(axis=0)).astype(np.float64)[self.triangles]
        products = np.cross(corners[:, 0], corners[:, 1]) * corners[:, 2]
        return float(products.sum()) / 6000

    def normals(self) -> np.ndarray:
        """Return the unit normal of each triangle, pointing outwards, shape (T, 3), float32."""
        corners = self.points_mm[self.triangles]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        return (normals / np.maximum(length, np.finfo(np.float32).tiny)).astype(np.float32)


def mask_surface(mask: np.ndarray, affine: np.ndarray) -> Surface:
    """Return a mask's surface, smoothed over a voxel or so, with the mask's volume.

    The mask, bool (I, J, K), is not empty; where it touches the image's edge, the surface closes
    there.
    """
    spacing_mm = spacing_of(affine)
    sigma_mm = max(SMOOTHING, SLICE_SMOOTHING * float(spacing_mm.max()))
    sigma = np.maximum(sigma_mm / spacing_mm, SMOOTHING)
    padding = tuple(int(np.ceil(PADDING * width)) + 1 for width in sigma)
    box = bounding_box(mask)
    field = ndimage.gaussian_filter(
        np.pad(mask[box].astype(np.float32), [(width, width) for width in padding]), sigma
    )
    # The level that as many voxels reach as the mask has: at 0.5, smoothing would shrink it.
    count = int(np.count_nonzero(mask))
    below, above = np.partition(field, (-count - 1, -count), axis=None)[[-count - 1, -count]]
    points, triangles = surface_net(field - (below + above) / 2)
    corner = np.array([part.start for part in box]) - padding
    placed = (points + corner) @ affine[:3, :3].T + affine[:3, 3]
    if np.linalg.det(affine[:3, :3]) < 0:  # mirrored axes would turn the surface inside out
        triangles = triangles[:, ::-1]
    surface = Surface(placed.astype(np.float32), triangles.astype(np.int32, order="C"))
    return with_volume(surface, count * voxel_ml(affine))


def with_volume(surface: Surface, volume_ml: float) -> Surface:
    """Move the whole surface along its normals, by a fraction of a voxel, to a given volume."""
    corners = surface.points_mm[surface.triangles]
    areas = 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])  # vectors
    move_mm = 1000 * (volume_ml - surface.volume_ml) / float(np.linalg.norm(areas, axis=1).sum())
    indices = surface.triangles.ravel()
    normals = np.stack(
        [np.bincount(indices, np.repeat(part, 3), len(surface.points_mm)) for part in areas.T],
        axis=1,
    )
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    points = surface.points_mm + move_mm * normals
    return Surface(points.astype(np.float32), surface.triangles)


def surface_net(field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (P, 3), in voxels, and triangles (T, 3) of the surface at which a field is zero.

    The field, float32 (I, J, K), is not negative inside, and negative all along the array's edges.
    """
    field = make_manifold(field)
    inside = field >= 0
    shape = tuple(size - 1 for size in field.shape)
    crossings = np.zeros((*shape, 3), dtype=np.float32)
    count = np.zeros(shape, dtype=np.uint8)
    quads = []
    cell_number = np.arange(count.size, dtype=np.int64).reshape(shape)
    for axis in range(3):
        before, after = (_shifted(inside, {axis: step}) for step in (0, 1))
        edges = np.argwhere(before != after)
        first, second = (_shifted(field, {axis: step})[tuple(edges.T)] for step in (0, 1))
        position = edges.astype(np.float32)
        position[:, axis] += first / (first - second)
        around = _cells_around(edges, axis)
        for cells in around:
            np.add.at(crossings, tuple(cells.T), position)
            np.add.at(count, tuple(cells.T), 1)
        quad = np.stack([cell_number[tuple(cells.T)] for cells in around], axis=1)
        leaving = inside[tuple(edges.T)]
        quads.append(np.where(leaving[:, None], quad, quad[:, ::-1]))
    used = np.flatnonzero(count)
    points = crossings.reshape(-1, 3)[used] / count.ravel()[used, None]
    number = np.zeros(count.size, dtype=np.int64)
    number[used] = np.arange(len(used))
    return points, split_quads(number[np.concatenate(quads)], points)


def _shifted(field: np.ndarray, steps: dict[int, int]) -> np.ndarray:
    """View whose voxel i along each named axis is voxel i + step; one shorter along them all."""
    parts = [slice(None)] * field.ndim
    for axis, step in steps.items():
        parts[axis] = slice(step, field.shape[axis] - 1 + step)
    return field[tuple(parts)]


def _cells_around(edges: np.ndarray, axis: int) -> list[np.ndarray]:
    """Return the four cells that share each edge (n, 3) along an axis, counterclockwise."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    around = []
    for down_first, down_second in ((1, 1), (0, 1), (0, 0), (1, 0)):
        cells = edges.copy()
        cells[:, first] -= down_first
        cells[:, second] -= down_second
        around.append(cells)
    return around


def split_quads(quads: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Cut quadrilaterals (Q, 4) along their shorter diagonal into triangles (2 Q, 3)."""
    corners = points[quads]
    lengths = np.linalg.norm(corners[:, :2] - corners[:, 2:], axis=2)
    turned = np.where((lengths[:, 1] < lengths[:, 0])[:, None], np.roll(quads, -1, axis=1), quads)
    return np.concatenate([turned[:, :3], turned[:, [2, 3, 0]]])


def make_manifold(field: np.ndarray) -> np.ndarray:
    """Join pieces of the inside, or outside, that touch at an edge or a corner alone.

    Voxels are lifted just above zero, so that each point of the surface has one neighbourhood.
    Such a "well-composed" image (Latecki, CVGIP 1997) has no square of four voxels and no cube of
    eight in which only those at the ends of a diagonal are inside, or outside.
    """
    field = field.copy()
    while True:
        lifted = _critical(field >= 0) & (field < 0)
        if not lifted.any():
            return field
        field[lifted] = NUDGE


def _critical(inside: np.ndarray) -> np.ndarray:
    """Return voxels of squares and cubes whose inside, or outside, is one diagonal."""
    found = np.zeros_like(inside)
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        part = {
            steps: _shifted(inside, {first: steps[0], second: steps[1]})
            for steps in ((0, 0), (0, 1), (1, 0), (1, 1))
        }
        square = (part[0, 0] == part[1, 1]) & (part[0, 1] == part[1, 0])
        square &= part[0, 0] != part[0, 1]
        for steps in part:
            _shifted(found, {first: steps[0], second: steps[1]})[square] = True
    corners = [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    cube = {corner: _shifted(inside, dict(enumerate(corner))) for corner in corners}
    count = sum(part.astype(np.uint8) for part in cube.values())
    for corner in corners[:4]:
        opposite = (1 - corner[0], 1 - corner[1], 1 - corner[2])
        alike = cube[corner] == cube[opposite]
        diagonal = alike & (count == np.where(cube[corner], 2, 6))
        for each in corners:
            _shifted(found, dict(enumerate(each)))[diagonal] = True
    return found
