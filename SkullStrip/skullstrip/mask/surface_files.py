"""Surfaces as .stl, .ply and .vtp, binary, with their space named the way 3D Slicer reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import OutputError
from .surface import Surface

SURFACE_SUFFIXES = (".vtp", ".stl", ".ply")
# Slicer takes files that name no space for LPS; this word in the header tells it otherwise.
SPACE = "SPACE=RAS"
COMMENT = f"Brain surface by SkullStrip, in mm; {SPACE}"


def write_surface(path: Path, surface: Surface) -> None:
    """Write a surface in the format of the file's ending; raise OutputError for an unknown one."""
    require_surface_suffix(path)
    writers = {".stl": _stl, ".ply": _ply, ".vtp": _vtp}
    path.write_bytes(writers[path.suffix.lower()](surface))


def require_surface_suffix(path: Path) -> None:
    """Raise OutputError where an output's ending names no surface format."""
    if path.suffix.lower() not in SURFACE_SUFFIXES:
        raise OutputError(
            f"{path} names no surface format; use one of {', '.join(SURFACE_SUFFIXES)}."
        )


def _stl(surface: Surface) -> bytes:
    """80 bytes of comment, the number of triangles, then each with its normal."""
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("colour", "<u2")])
    triangles = np.zeros(len(surface.triangles), dtype=record)
    triangles["normal"] = surface.normals()
    triangles["corners"] = surface.points_mm[surface.triangles]
    count = np.uint32(len(triangles)).astype("<u4")
    return COMMENT.encode().ljust(80) + count.tobytes() + triangles.tobytes()


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
    blocks = [np.uint64(array.nbytes).astype("<u8").tobytes() + array.tobytes() for array in arrays]
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
