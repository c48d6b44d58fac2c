"""Closed, smooth, outward: surfaces of balls, brains and noise on many grids.

What VTK and Slicer read of their files, `Testing/slicer/test_files.py` tests.
"""

import numpy as np
import pytest

from skullstrip.errors import OutputError
from skullstrip.mask.surface import mask_surface
from skullstrip.output_files import require_outputs
from Testing.phantoms import BRAIN_SEMI_AXES_MM, make_head

VOLUME_TOLERANCE = 0.01
DISTANCE_TOLERANCE_MM = 0.5  # of a vertex to the ellipsoid, in 2 mm voxels
ANGLE_TOLERANCE_DEGREES = 15.0  # of the steepest triangle against the ellipsoid; stairs have 45


def voxels_ml(mask, affine):
    return float(mask.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000)


def assert_closed_manifold(surface):
    """Every edge lies between two triangles that run along it in opposite directions."""
    edges = np.concatenate([surface.triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    directed, counts = np.unique(edges, axis=0, return_counts=True)
    assert counts.max() == 1
    np.testing.assert_array_equal(directed, np.unique(edges[:, ::-1], axis=0))


@pytest.mark.parametrize(
    ("orientation", "spacing_mm", "oblique"),
    [
        ("RAS", (3.0, 3.0, 3.0), 0.0),
        ("LPS", (2.0, 2.0, 2.0), 0.0),
        ("LAS", (3.0, 3.0, 3.0), 0.0),
        ("PIR", (2.0, 2.5, 3.0), 0.0),
        ("RSP", (2.0, 2.0, 5.0), 20.0),
        ("IAL", (3.0, 2.0, 4.0), 40.0),
    ],
)
def test_a_brains_surface_is_closed_and_has_its_volume_and_place(orientation, spacing_mm, oblique):
    head = make_head(orientation, spacing_mm, oblique_degrees=oblique)
    surface = mask_surface(head.brain_mask, head.affine)
    assert_closed_manifold(surface)
    expected = voxels_ml(head.brain_mask, head.affine)
    assert surface.volume_ml == pytest.approx(expected, rel=VOLUME_TOLERANCE)
    radius = np.linalg.norm(surface.points_mm / BRAIN_SEMI_AXES_MM, axis=1)
    assert np.abs(radius - 1).max() < max(spacing_mm) / BRAIN_SEMI_AXES_MM.min()


def test_the_surface_is_smooth_and_faces_outwards():
    head = make_head("LPS", (2.0, 2.0, 2.0))
    surface = mask_surface(head.brain_mask, head.affine)
    expected = surface.points_mm[surface.triangles].mean(axis=1) / BRAIN_SEMI_AXES_MM**2
    lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(surface.areas, axis=1)
    cosines = (expected * surface.areas).sum(axis=1) / lengths
    assert np.degrees(np.arccos(cosines.min())) < ANGLE_TOLERANCE_DEGREES
    radius = np.linalg.norm(surface.points_mm / BRAIN_SEMI_AXES_MM, axis=1)
    assert np.abs(radius - 1).max() * BRAIN_SEMI_AXES_MM.min() < DISTANCE_TOLERANCE_MM


def mask_of(*voxels):
    mask = np.zeros((4, 4, 4), bool)
    mask[tuple(np.transpose(voxels))] = True
    return mask


@pytest.mark.parametrize(
    "mask",
    [
        mask_of((0, 0, 0)),
        mask_of((1, 1, 1), (2, 2, 1)),  # which touch at an edge alone
        mask_of((1, 1, 1), (2, 2, 2)),  # at a corner
        *(np.random.default_rng(seed).random((14, 15, 16)) < 0.4 for seed in range(5)),
    ],
)
def test_single_voxels_pieces_that_hardly_touch_and_noise_have_a_closed_surface(mask):
    surface = mask_surface(mask, np.diag([9.0, 9.0, 9.0, 1.0]))
    assert_closed_manifold(surface)
    assert surface.volume_ml > 0


def test_a_brain_cut_by_the_images_edge_is_closed_there():
    head = make_head("RAS", (2.0, 2.0, 2.0))
    half = np.ascontiguousarray(head.brain_mask[50:])
    surface = mask_surface(half, head.affine)
    assert_closed_manifold(surface)
    assert surface.volume_ml == pytest.approx(voxels_ml(half, head.affine), rel=VOLUME_TOLERANCE)


@pytest.mark.parametrize("name", ["brain.obj", "brain", "brain.stl.gz"])
def test_other_endings_are_refused_in_one_sentence(tmp_path, name):
    with pytest.raises(OutputError, match=r"use one of \.vtp, \.stl, \.ply\.$"):
        require_outputs([], [("surface", tmp_path / name)])
