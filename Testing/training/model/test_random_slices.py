"""Where training slices lie in a volume."""

import dataclasses

import numpy as np
import pytest

from skullstrip.network.brain_region import slice_batch
from Testing.small_sources import bytes_of, scan_of, small_scan
from training.model.config import Sampling
from training.model.random_slices import (
    IN_PLANE,
    centred_slab,
    identity_directions,
    random_centre,
    random_directions,
    random_slab,
    swollen,
)
from training.model.sampler import read_image, read_mask

PATCH = 32
SHAPE = (40, 42, 44)
ROUNDING = 1e-3  # grey levels
UPRIGHT = Sampling(rotation_degrees=0.0, wrong_orientation_share=0.0)


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_an_undeformed_slab_holds_the_voxels_that_inference_slices_and_their_mask(plane):
    level, mask = 17, np.random.default_rng(1).random(SHAPE) < 0.5
    centred = np.zeros(SHAPE, dtype=bool)
    centred[4:36, 5:37, 6:38] = True  # 32 voxels each way, as the patch
    source = scan_of(np.random.default_rng(0).random(SHAPE), centred)
    slab = centred_slab(source, plane, float(level), PATCH, 1.0)
    stack = slice_batch(np.moveaxis(source.voxels, plane, 0), np.array([level]))[0]
    first = np.delete([4, 5, 6], plane)
    cut = slice(first[0], first[0] + PATCH), slice(first[1], first[1] + PATCH)
    assert np.array_equal(np.rint(read_image(source, slab) * 255), stack[cut])
    masked = dataclasses.replace(source, mask=bytes_of(mask))
    assert np.array_equal(read_mask(masked, slab), np.moveaxis(mask, plane, 0)[level][cut])


@pytest.mark.parametrize("seed", range(8))
def test_image_and_mask_stay_aligned_under_every_deformation(seed):
    source = small_scan()
    shown = dataclasses.replace(source, voxels=source.mask)
    slab, _ = random_slab(source, Sampling(), 64, 2.0, np.random.default_rng(seed))
    level, mask = read_image(shown, slab)[..., 1] * 255, read_mask(source, slab)
    clear = np.abs(level - 127) > ROUNDING  # as the mask is cut
    assert clear.mean() > 0.99
    assert np.array_equal((level > 127)[clear], mask[clear])


@pytest.mark.parametrize("plane", [0, 1, 2])
@pytest.mark.parametrize("spacing_mm", [0.7, 2.0])
def test_pixels_are_as_far_apart_as_asked_whatever_the_voxels(plane, spacing_mm):
    voxel_mm = np.array([1.0, 2.0, 4.0], np.float32)
    source = dataclasses.replace(small_scan(), spacing_mm=voxel_mm)
    points = centred_slab(source, plane, 50.0, PATCH, spacing_mm) * voxel_mm[:, None, None]
    rows, columns = IN_PLANE[plane]
    for array_axis, coordinate in ((0, plane), (2, rows), (3, columns)):
        steps = np.diff(points, axis=array_axis)
        expected = np.where(np.arange(3) == coordinate, spacing_mm, 0)[:, None, None]
        assert np.abs(steps - expected).max() < 1e-4


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_turns_keep_angles_and_without_rotation_slices_keep_their_plane(plane):
    kept = 0
    for seed in range(40):
        turn = random_directions(Sampling(), plane, np.random.default_rng(seed))
        assert turn.T @ turn == pytest.approx(np.eye(3), abs=1e-12)
        directions = random_directions(UPRIGHT, plane, np.random.default_rng(seed))
        kept += np.allclose(np.abs(directions), identity_directions(plane))
    assert kept >= 30  # the others are the few that turn far all the same


def test_heads_are_mirrored_left_to_right_half_of_the_time_but_not_otherwise():
    drawn = [random_directions(UPRIGHT, 1, np.random.default_rng(seed)) for seed in range(80)]
    right, _, superior = np.sign(np.array(drawn).sum(axis=2)).T
    assert 20 < np.count_nonzero(right < 0) < 60
    assert np.count_nonzero(superior > 0) >= 76  # the others are the few that turn far


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_levels_reach_the_brain_or_anywhere_as_asked(plane):
    source, rng = small_scan(), np.random.default_rng(0)
    lower, upper = source.brain_box_mm[:, plane]
    through, anywhere = (
        [
            random_centre(source, Sampling(through_brain_share=share), plane, 100.0, rng)[plane]
            for _ in range(300)
        ]
        for share in (1.0, 0.0)
    )
    assert lower - 4 <= min(through) < max(through) <= upper + 4
    assert min(anywhere) < lower < upper < max(anywhere)


def test_a_swollen_middle_is_enlarged_and_what_is_far_stays():
    centre = np.zeros(3, dtype=np.float32)
    points = np.zeros((1, 3, 1, 4), dtype=np.float32)
    points[0, 0, 0] = (-10, 10, 30, 300)
    for seed in range(10):
        moved = swollen(points, centre, np.random.default_rng(seed))[0, 0, 0]
        assert abs(moved[0]) < 0.85 * 10  # the same pixel shows what lies nearer to the middle
        assert moved[1] < moved[2] < moved[3]  # nothing is folded
        assert moved[3] == pytest.approx(300, abs=0.1)
