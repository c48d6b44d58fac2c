"""Orientation: axes are permuted and mirrored, positions in space never move."""

import itertools

import nibabel
import numpy as np
import pytest
from numpy.testing import assert_allclose

from skullstrip.grid.orientation import orientation_of, reorient_to_ras
from skullstrip.grid.volume import Volume
from Testing.phantoms import grid_affine

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
