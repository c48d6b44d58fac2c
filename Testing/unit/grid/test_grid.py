"""Orientation, resampling and pieces: positions in space never move, linear functions survive."""

import itertools

import nibabel
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from skullstrip.grid.orientation import orientation_of, reorient_to_ras
from skullstrip.grid.regions import opened
from skullstrip.grid.resample import (
    interpolation_matrix,
    resample,
    resample_axis,
    resample_part,
    resampled_length,
)
from skullstrip.grid.volume import Volume
from Testing.phantoms import grid_affine

RAMP_TOLERANCE_MM = 0.05  # a widened triangle is not quite linear at uneven ratios
ONE_MM = np.ones(3)
POSITION_TOLERANCE_MM = 1e-9
ALL_ORIENTATIONS = [
    "".join(pair[sign] for pair, sign in zip(axes, signs, strict=True))
    for axes in itertools.permutations(["LR", "PA", "IS"])
    for signs in itertools.product([0, 1], repeat=3)
]


def volume_in(orientation, degrees=0.0):
    """Random voxels whose axes point as the letters say."""
    shape = (4, 5, 6)
    affine = grid_affine(orientation, (1.0, 1.5, 3.0), degrees, shape, (3.0, -7.0, 11.0))
    return Volume(np.random.default_rng(0).random(shape), affine)


def test_codes_of_axes_agree_with_nibabel():
    for orientation in ALL_ORIENTATIONS:
        affine = volume_in(orientation, degrees=20).affine
        assert orientation_of(affine).codes == "".join(nibabel.aff2axcodes(affine)) == orientation


@pytest.mark.parametrize("degrees", [0.0, 20.0])
def test_every_voxel_keeps_its_place_in_space(degrees):
    for orientation in ALL_ORIENTATIONS:
        volume = volume_in(orientation, degrees)
        ras, turned = reorient_to_ras(volume)
        source = np.stack([turned.apply(axis) for axis in np.indices(volume.array.shape)], -1)
        moved = np.moveaxis(np.indices(ras.array.shape), 0, -1)
        before = source @ volume.affine[:3, :3].T + volume.affine[:3, 3]
        after = moved @ ras.affine[:3, :3].T + ras.affine[:3, 3]
        assert_allclose(after, before, atol=POSITION_TOLERANCE_MM, err_msg=orientation)
        assert orientation_of(ras.affine).codes == "RAS"


def test_a_grid_turned_by_45_degrees_still_gets_each_direction_once():
    turned = orientation_of(volume_in("RAS", degrees=45.0).affine)
    assert sorted(turned.axes) == [0, 1, 2]


def test_the_voxel_volume_of_a_sheared_grid_is_its_determinant():
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    affine[0, 1] = 1.0
    assert Volume(np.zeros((2, 2, 2)), affine).voxel_volume_ml == pytest.approx(0.006)


@pytest.mark.parametrize(
    ("length", "spacing_mm", "expected"), [(100, 1.0, 100), (100, 2.0, 200), (101, 0.7, 71)]
)
def test_the_new_grid_covers_the_old_field_of_view(length, spacing_mm, expected):
    assert resampled_length(length, spacing_mm, 1.0) == expected


@pytest.mark.parametrize("spacing", [(0.7, 0.7, 0.7), (1.0, 1.0, 3.0), (2.0, 2.0, 2.0)])
def test_a_ramp_stays_a_ramp_in_millimetres(spacing):
    spacing_mm = np.array(spacing)
    shape = tuple(int(48 / step) for step in spacing)
    millimetres = [
        (np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing, strict=True)
    ]
    ramp = sum(np.meshgrid(*millimetres, indexing="ij"))
    result = resample(ramp, spacing_mm, ONE_MM)
    target = [np.arange(n) - (n - 1) / 2 for n in result.shape]
    expected = sum(np.meshgrid(*target, indexing="ij"))
    inner = (slice(6, -6),) * 3  # the ends repeat the outermost voxel
    assert_allclose(result[inner], expected[inner], atol=RAMP_TOLERANCE_MM)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_long_axis_is_resampled_whole_in_either_order_of_memory(axis, order):
    shape = np.roll((90, 7, 5), axis)
    array = np.random.default_rng(0).random(shape, dtype=np.float32)
    matrix = interpolation_matrix(90, 150, 0.6)
    expected = np.moveaxis(np.tensordot(matrix, array, (1, axis)), 0, axis)
    found = resample_axis(np.asarray(array, order=order), axis, matrix)
    assert_allclose(found, expected, atol=1e-6)


def test_coarser_sampling_averages_noise_instead_of_aliasing_it():
    noise = np.random.default_rng(0).standard_normal((64, 64, 64)).astype(np.float32)
    coarse = resample(noise, ONE_MM * 0.25, ONE_MM)
    assert coarse.std() < 0.2  # picking every fourth voxel would leave 1.0


@pytest.mark.parametrize("target", [(0.7, 0.7, 0.7), (1.0, 1.0, 3.0), (1.0, 1.3, 2.0)])
@pytest.mark.parametrize("box", [(slice(4, 9), slice(0, 20), slice(17, 18)), (slice(0, 30),) * 3])
def test_a_part_is_resampled_as_it_would_be_in_the_whole(target, box):
    whole = np.zeros((30, 30, 30), np.float32)
    whole[box] = np.random.default_rng(0).random(whole[box].shape, dtype=np.float32)
    target_mm = np.array(target)
    expected = resample(whole, ONE_MM, target_mm)
    part, reached = resample_part(whole[box], box, whole.shape, ONE_MM, target_mm, expected.shape)
    found = np.zeros_like(expected)
    found[reached] = part
    assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(20, 21, 9), (5, 2, 7), (1, 4, 4)])
def test_opening_is_scipys(shape):
    mask = ndimage.gaussian_filter(np.random.default_rng(0).random(shape), 0.8) > 0.48
    assert_array_equal(opened(mask), ndimage.binary_opening(mask, np.ones((2, 2, 2))))
