"""STL, taken apart byte by byte; `Testing/slicer/test_surface_files.py` asks VTK of all formats."""

import struct

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


@pytest.mark.parametrize(("suffix", "mark"), [("ply", b"SPACE=RAS"), ("vtp", b'"SPACE"')])
def test_other_formats_hold_the_points_and_name_their_space(tmp_path, suffix, mark):
    write_surface(tmp_path / f"brain.{suffix}", TETRAHEDRON)
    content = (tmp_path / f"brain.{suffix}").read_bytes()
    assert TETRAHEDRON.points_mm.tobytes() in content
    assert mark in content


@pytest.mark.parametrize("name", ["brain.obj", "brain", "brain.stl.gz"])
def test_other_endings_are_refused_in_one_sentence(tmp_path, name):
    with pytest.raises(OutputError, match=r"use one of \.vtp, \.stl, \.ply\.$"):
        write_surface(tmp_path / name, TETRAHEDRON)
