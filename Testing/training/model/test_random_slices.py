"""Where training slices lie in a volume."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from skullstrip.network.brain_region import slice_batch
from Testing.small_sources import bytes_of, scan_of, small_scan
from training.data.sources import Source
from training.model.config import Sampling
from training.model.random_slices import (
    IN_PLANE,
    centred_slab,
    elastic_field,
    identity_directions,
    random_centre,
    random_directions,
    random_slab,
    rotation_matrix,
    swollen,
)
from training.model.sampler import read_image, read_mask

PATCH = 32
SHAPE = (40, 42, 44)
SEEDS = range(8)
ORTHONORMAL_TOLERANCE = 1e-12
ROUNDING = 1e-3  # grey levels


def numbered_source() -> Source:
    """A scan in which every voxel's value tells where it is, its brain centred on a grid point."""
    rng = np.random.default_rng(0)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[4:36, 5:37, 6:38] = True
    return scan_of(rng.random(SHAPE), mask)


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_an_undeformed_slab_holds_the_voxels_that_inference_slices(plane):
    source = numbered_source()
    level = 17
    slab = centred_slab(source, plane, float(level), PATCH, 1.0)
    stack = slice_batch(np.moveaxis(source.voxels, plane, 0), np.array([level]), 1)[0]
    first = np.delete([4, 5, 6], plane)  # the brain has 32 voxels each way, as the patch
    expected = stack[first[0] : first[0] + PATCH, first[1] : first[1] + PATCH]
    found = np.rint(read_image(source, slab) * 255)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_the_mask_is_that_of_the_middle_plane(plane):
    mask = np.random.default_rng(1).random(SHAPE) < 0.5
    source = dataclasses.replace(numbered_source(), mask=bytes_of(mask))
    slab = centred_slab(numbered_source(), plane, 17.0, PATCH, 1.0)
    index = np.rint(slab.voxel[1]).astype(int)
    assert np.array_equal(read_mask(source, slab), mask[tuple(index)])


@pytest.mark.parametrize("seed", SEEDS)
def test_image_and_mask_stay_aligned_under_every_deformation(seed):
    source = small_scan()
    shown = dataclasses.replace(source, voxels=source.mask)
    slab = random_slab(source, Sampling(), 64, 2.0, np.random.default_rng(seed))
    level, mask = read_image(shown, slab)[..., 1] * 255, read_mask(source, slab)
    clear = np.abs(level - 127) > ROUNDING  # as the mask is cut
    assert clear.mean() > 0.99
    assert np.array_equal((level > 127)[clear], mask[clear])


def test_beyond_the_field_of_view_is_air():
    source = scan_of(np.ones(SHAPE), np.ones(SHAPE, dtype=bool))
    slab = centred_slab(source, 0, 20.0, 96, 1.0)
    image = read_image(source, slab)
    assert image[0, 0].max() == 0
    assert image[48, 48].min() == 1
    assert not read_mask(source, slab)[0, 0]


@pytest.mark.parametrize("plane", [0, 1, 2])
@pytest.mark.parametrize("spacing_mm", [0.7, 1.0, 2.0])
def test_pixels_are_as_far_apart_as_asked(plane, spacing_mm):
    source = small_scan()
    points = centred_slab(source, plane, 50.0, PATCH, spacing_mm).voxel * source.spacing_mm[0]
    rows, columns = IN_PLANE[plane]
    for array_axis, coordinate in ((0, plane), (2, rows), (3, columns)):
        steps = np.diff(points, axis=array_axis)
        assert steps[:, coordinate] == pytest.approx(spacing_mm, abs=1e-4)
        others = [axis for axis in range(3) if axis != coordinate]
        assert steps[:, others] == pytest.approx(0, abs=1e-4)


def test_anisotropic_voxels_do_not_stretch_the_head():
    source = small_scan()
    stretched = dataclasses.replace(source, spacing_mm=np.array([1.0, 2.0, 4.0], np.float32))
    slab = centred_slab(stretched, 0, 20.0, PATCH, 1.0)
    assert np.diff(slab.voxel[:, 1], axis=1) == pytest.approx(0.5, abs=1e-5)
    assert np.diff(slab.voxel[:, 2], axis=2) == pytest.approx(0.25, abs=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rotation_keeps_lengths_angles_and_handedness(seed):
    matrix = rotation_matrix(np.random.default_rng(seed).uniform(-np.pi, np.pi, 3))
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=ORTHONORMAL_TOLERANCE)
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_a_quarter_turn_about_z_takes_right_to_anterior():
    turned = rotation_matrix(np.array([0, 0, np.pi / 2])) @ [1, 0, 0]
    assert turned == pytest.approx([0, 1, 0], abs=ORTHONORMAL_TOLERANCE)


@pytest.mark.parametrize("plane", [0, 1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_directions_are_orthonormal(plane, seed):
    directions = random_directions(Sampling(), plane, np.random.default_rng(seed))
    assert directions.T @ directions == pytest.approx(np.eye(3), abs=ORTHONORMAL_TOLERANCE)


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_without_rotation_slices_keep_their_plane(plane):
    upright = Sampling(rotation_degrees=0.0, wrong_orientation_share=0.0)
    kept = 0
    for seed in range(40):
        directions = random_directions(upright, plane, np.random.default_rng(seed))
        kept += np.allclose(np.abs(directions), identity_directions(plane))
    assert kept >= 30  # the others are the few that turn far all the same


def test_heads_are_mirrored_left_to_right_half_of_the_time_but_not_otherwise():
    upright = Sampling(rotation_degrees=0.0, wrong_orientation_share=0.0)
    signs = [
        random_directions(upright, 1, np.random.default_rng(seed)).sum(axis=1) for seed in range(80)
    ]
    right, _, superior = np.sign(np.array(signs)).T
    assert 20 < np.count_nonzero(right < 0) < 60
    assert np.count_nonzero(superior > 0) >= 76  # the others are the few that turn far


def test_the_elastic_field_is_smooth_bounded_and_the_same_for_all_planes():
    field = elastic_field(64, 3.0, np.random.default_rng(3))
    assert field.shape == (1, 3, 64, 64)
    assert field.dtype == np.float32
    assert np.abs(field).max() > 0
    assert np.abs(np.diff(field, axis=-1)).max() < np.abs(field).max() / 2


def test_no_elastic_amplitude_means_no_displacement():
    assert not elastic_field(PATCH, 0.0, np.random.default_rng(0)).any()


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_levels_reach_the_brain_or_anywhere_as_asked(plane):
    source = small_scan()
    lower, upper = source.brain_box_mm[:, plane]
    rng = np.random.default_rng(0)

    def levels(share: float) -> np.ndarray:
        sampling = Sampling(through_brain_share=share)
        centres = [random_centre(source, sampling, plane, 100.0, rng) for _ in range(300)]
        return np.array(centres)[:, plane]

    through, anywhere = levels(1.0), levels(0.0)
    assert through.min() >= lower - 4
    assert through.max() <= upper + 4
    assert anywhere.min() < lower
    assert anywhere.max() > upper


def test_a_swollen_middle_is_enlarged_and_what_is_far_stays():
    centre = np.zeros(3, dtype=np.float32)
    points = np.zeros((1, 3, 1, 4), dtype=np.float32)
    points[0, 0, 0] = (-10, 10, 30, 300)
    for seed in range(10):
        moved = swollen(points, centre, np.random.default_rng(seed))[0, 0, 0]
        assert abs(moved[0]) < 0.85 * 10  # the same pixel shows what lies nearer to the middle
        assert moved[1] < moved[2] < moved[3]  # nothing is folded
        assert moved[3] == pytest.approx(300, abs=0.1)
