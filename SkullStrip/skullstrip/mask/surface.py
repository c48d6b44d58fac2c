"""A smooth, closed surface around a mask, in RAS mm, and its files.

Naive surface nets (Gibson, MICCAI 1998): one vertex in each cell of eight voxel centres that the
surface passes through, at the mean of where it crosses the cell's edges, and one quadrilateral
around each crossed edge. No tables, well-shaped triangles, and a third of those of marching
tetrahedra.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

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
SURFACE_SUFFIXES = (".vtp", ".stl", ".ply")
# Slicer takes files that name no space for LPS; this word in the header tells it otherwise.
SPACE = "SPACE=RAS"
COMMENT = f"Brain surface by SkullStrip, in mm; {SPACE}"


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

    @property
    def areas(self) -> np.ndarray:
        """Area of each triangle, as a vector that points outwards, shape (T, 3)."""
        corners = self.points_mm[self.triangles]
        return 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


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
    areas, count = surface.areas, len(surface.points_mm)
    move_mm = 1000 * (volume_ml - surface.volume_ml) / float(np.linalg.norm(areas, axis=1).sum())
    indices = surface.triangles.ravel()
    sums = [np.bincount(indices, np.repeat(part, 3), count) for part in areas.T]
    points = surface.points_mm + move_mm * _units(np.stack(sums, axis=1))
    return Surface(points.astype(np.float32), surface.triangles)


def _units(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def surface_net(field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (P, 3), in voxels, and triangles (T, 3) of the surface at which a field is zero.

    The field, float32 (I, J, K), is not negative inside, and negative all along the array's edges.
    """
    field = make_manifold(field)
    inside, values = field >= 0, field.ravel()
    steps = np.array(field.strides) // field.itemsize  # from a voxel to the next, in `values`
    positions, quads = [], []
    for axis in range(3):
        edges = np.argwhere(np.diff(inside, axis=axis))
        start = edges @ steps
        before, after = values[start], values[start + steps[axis]]
        position = edges.astype(np.float32)
        position[:, axis] += before / (before - after)
        positions.append(position)
        # The four cells that share the edge, each called by its first voxel, counterclockwise.
        first, second = steps[(axis + 1) % 3], steps[(axis + 2) % 3]
        quad = start[:, None] - [first + second, second, 0, first]
        quads.append(np.where(before[:, None] >= 0, quad, quad[:, ::-1]))
    cells, corners = np.unique(np.concatenate(quads), return_inverse=True)
    crossings = np.repeat(np.concatenate(positions), 4, axis=0).T
    sums = [np.bincount(corners.ravel(), part, len(cells)) for part in crossings]
    points = np.stack(sums, axis=1) / np.bincount(corners.ravel())[:, None]
    return points, split_quads(corners.reshape(-1, 4), points)


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
    field = np.array(field, order="C")
    while (lifted := _critical(field >= 0) & (field < 0)).any():
        field[lifted] = NUDGE
    return field


def _critical(inside: np.ndarray) -> np.ndarray:
    """Return voxels of squares and cubes whose inside, or outside, is one diagonal."""
    found = np.zeros_like(inside)
    for axes in ((0, 1), (0, 2), (1, 2), (0, 1, 2)):
        values, marks = _corners(inside, axes), _corners(found, axes)
        count = np.sum(list(values.values()), axis=0, dtype=np.uint8)
        for corner in list(values)[: len(values) // 2]:
            opposite = tuple(1 - step for step in corner)
            alone = count == np.where(values[corner], 2, len(values) - 2)
            for mark in marks.values():
                mark[alone & (values[corner] == values[opposite])] = True
    return found


def _corners(array: np.ndarray, axes: tuple[int, ...]) -> dict[tuple[int, ...], np.ndarray]:
    """Return views of the voxels at each corner of all squares, or cubes, along some axes."""
    views = {}
    for steps in product((0, 1), repeat=len(axes)):
        part = [slice(None)] * array.ndim
        for axis, step in zip(axes, steps, strict=True):
            part[axis] = slice(step, array.shape[axis] - 1 + step)
        views[steps] = array[tuple(part)]
    return views


def write_surface(path: Path, surface: Surface) -> None:
    """Write a surface in the format of the file's ending, which is one of `SURFACE_SUFFIXES`."""
    writers = {".stl": _stl, ".ply": _ply, ".vtp": _vtp}
    path.write_bytes(writers[path.suffix.lower()](surface))


def _stl(surface: Surface) -> bytes:
    """80 bytes of comment, the number of triangles, then each with its normal."""
    record = [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("colour", "<u2")]
    triangles = np.zeros(len(surface.triangles), dtype=record)
    triangles["normal"] = _units(surface.areas)
    triangles["corners"] = surface.points_mm[surface.triangles]
    count = len(triangles).to_bytes(4, "little")
    return COMMENT.encode().ljust(80) + count + triangles.tobytes()


def _ply(surface: Surface) -> bytes:
    header = (
        f"ply\nformat binary_little_endian 1.0\ncomment {COMMENT}\n"
        f"element vertex {len(surface.points_mm)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        f"element face {len(surface.triangles)}\n"
        "property list uchar int vertex_indices\nend_header\n"
    )
    faces = np.empty(len(surface.triangles), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"] = 3
    faces["corners"] = surface.triangles
    return header.encode() + surface.points_mm.astype("<f4").tobytes() + faces.tobytes()


def _vtp(surface: Surface) -> bytes:
    """VTK's XML with its arrays appended raw, each behind its length in bytes."""
    arrays = (
        surface.points_mm.astype("<f4"),
        surface.triangles.astype("<i4"),
        3 * np.arange(1, len(surface.triangles) + 1, dtype="<i4"),
    )
    blocks = [array.nbytes.to_bytes(8, "little") + array.tobytes() for array in arrays]
    points, corners, ends = np.cumsum([0, *map(len, blocks)])[:3]
    space = " ".join(str(code) for code in b"RAS\0")
    head = f"""<?xml version="1.0"?>
<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian" header_type="UInt64">
<!-- {COMMENT} -->
<PolyData>
<FieldData>
<Array type="String" Name="SPACE" NumberOfTuples="1" format="ascii">{space}</Array>
</FieldData>
<Piece NumberOfPoints="{len(arrays[0])}" NumberOfPolys="{len(arrays[1])}">
<Points>
<DataArray type="Float32" NumberOfComponents="3" format="appended" offset="{points}"/>
</Points>
<Polys>
<DataArray type="Int32" Name="connectivity" format="appended" offset="{corners}"/>
<DataArray type="Int32" Name="offsets" format="appended" offset="{ends}"/>
</Polys>
</Piece>
</PolyData>
<AppendedData encoding="raw">
_"""
    return head.encode() + b"".join(blocks) + b"\n</AppendedData>\n</VTKFile>\n"
