"""Surface files, taken apart byte by byte; `Testing/slicer/test_surface_files.py` asks VTK."""

from __future__ import annotations

import struct
from xml.etree import ElementTree

import numpy as np
import pytest

from skullstrip.errors import OutputError
from skullstrip.mask.surface import Surface
from skullstrip.mask.surface_files import write_surface

TETRAHEDRON = Surface(
    np.array([[0, 0, 0], [30, 0, 0], [0, 20, 0], [0, 0, 10]], np.float32),
    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32),
)


def test_a_tetrahedron_has_its_volume_and_outward_normals():
    assert TETRAHEDRON.volume_ml == pytest.approx(1.0)
    np.testing.assert_allclose(TETRAHEDRON.normals()[0], [0, 0, -1])


def test_stl_holds_each_triangle_with_its_normal(tmp_path):
    write_surface(tmp_path / "brain.STL", TETRAHEDRON)
    content = (tmp_path / "brain.STL").read_bytes()
    assert len(content) == 84 + 4 * 50
    assert not content.startswith(b"solid")  # which readers take for text
    assert b"SPACE=RAS" in content[:80]
    assert struct.unpack_from("<I", content, 80) == (4,)
    first = np.frombuffer(content, "<f4", 12, 84).reshape(4, 3)
    np.testing.assert_allclose(first[0], [0, 0, -1])
    np.testing.assert_array_equal(first[1:], TETRAHEDRON.points_mm[[0, 2, 1]])


def test_ply_holds_points_and_faces(tmp_path):
    write_surface(tmp_path / "brain.ply", TETRAHEDRON)
    header, _, body = (tmp_path / "brain.ply").read_bytes().partition(b"end_header\n")
    assert header.startswith(b"ply\nformat binary_little_endian 1.0\n")
    assert b"SPACE=RAS" in header
    assert b"element vertex 4\n" in header
    assert b"element face 4\n" in header
    np.testing.assert_array_equal(
        np.frombuffer(body, "<f4", 12).reshape(4, 3), TETRAHEDRON.points_mm
    )
    assert len(body) == 4 * 12 + 4 * 13
    assert struct.unpack_from("<B3i", body, 48) == (3, 0, 2, 1)


def test_vtp_points_to_its_arrays(tmp_path):
    write_surface(tmp_path / "brain.vtp", TETRAHEDRON)
    head, _, rest = (tmp_path / "brain.vtp").read_bytes().partition(b"<AppendedData")
    tree = ElementTree.fromstring(head.decode() + "</VTKFile>")
    arrays = tree.findall(".//DataArray")
    data = rest[rest.index(b"_") + 1 :]

    def stored(array: ElementTree.Element, dtype: str) -> np.ndarray:
        offset = int(array.attrib["offset"])
        (size,) = struct.unpack_from("<Q", data, offset)
        return np.frombuffer(data, dtype, size // 4, offset + 8)

    points, corners, ends = arrays
    np.testing.assert_array_equal(stored(points, "<f4").reshape(4, 3), TETRAHEDRON.points_mm)
    np.testing.assert_array_equal(stored(corners, "<i4").reshape(4, 3), TETRAHEDRON.triangles)
    np.testing.assert_array_equal(stored(ends, "<i4"), [3, 6, 9, 12])
    space = tree.find(".//FieldData/Array[@Name='SPACE']")
    assert space is not None
    assert bytes(map(int, str(space.text).split())) == b"RAS\0"


@pytest.mark.parametrize("name", ["brain.obj", "brain", "brain.stl.gz"])
def test_other_endings_are_refused_in_one_sentence(tmp_path, name):
    with pytest.raises(OutputError, match=r"use one of \.vtp, \.stl, \.ply\.$"):
        write_surface(tmp_path / name, TETRAHEDRON)
