"""Clicks on a synthetic head whose brain is known: a part missing, a leak, and properties."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from skullstrip.errors import InputError
from skullstrip.grid.regions import dice, fill_holes, largest_component
from skullstrip.mask.clicks import MAX_DISTANCE_MM, Click, correct_mask
from skullstrip.mask.postprocess import move_surface
from Testing.phantoms import make_head

HEAD = make_head("RAS", (2.0, 1.2, 3.0))  # finer and coarser than the grid that is worked on
FARTHEST_MM = MAX_DISTANCE_MM + 15  # closed sulci and three voxels of rounding


def distance_mm(head, place_ras):
    index = np.moveaxis(np.indices(head.array.shape), 0, -1)
    world = index @ head.affine[:3, :3].T + head.affine[:3, 3]
    return np.linalg.norm(world - place_ras, axis=-1)


def without_a_part(head, place_ras=(-60.0, 20.0, 10.0), radius_mm=40.0):
    return largest_component(head.brain_mask & (distance_mm(head, place_ras) > radius_mm))


def at(head, mask, place_ras):
    voxel = np.rint(np.linalg.solve(head.affine, [*place_ras, 1.0])[:3]).astype(int)
    return bool(mask[tuple(voxel)])


@pytest.mark.parametrize(
    ("orientation", "spacing_mm", "degrees"),
    [("RAS", (2.0, 2.0, 2.0), 0.0), ("PIR", (1.5, 1.0, 5.0), 0.0), ("LAS", (2.0, 2.5, 3.0), 10.0)],
)
def test_one_click_brings_a_missing_part_back_and_leaves_skull_and_scalp_out(
    orientation, spacing_mm, degrees
):
    head = make_head(orientation, spacing_mm, oblique_degrees=degrees)
    damaged = without_a_part(head)
    corrected = correct_mask(damaged, head.array, head.affine, [Click((-44.0, 18.0, 8.0), True)])
    assert dice(damaged, head.brain_mask) < 0.96
    assert dice(corrected, head.brain_mask) > 0.985


def test_one_click_takes_a_leak_through_the_skull_away():
    leak = distance_mm(HEAD, (0.0, 92.0, 0.0)) <= 16
    damaged = HEAD.brain_mask | leak
    corrected = correct_mask(damaged, HEAD.array, HEAD.affine, [Click((0.0, 95.0, 0.0), False)])
    assert np.count_nonzero(corrected & ~HEAD.brain_mask) < 0.1 * np.count_nonzero(
        leak & ~HEAD.brain_mask
    )
    assert dice(corrected, HEAD.brain_mask) > dice(damaged, HEAD.brain_mask)


def test_a_click_into_a_rim_that_is_too_wide_takes_it_away_around_and_leaves_the_brain():
    wide = move_surface(HEAD.brain_mask, np.array([2.0, 1.2, 3.0]), 6.0)
    corrected = correct_mask(wide, HEAD.array, HEAD.affine, [Click((0.0, 87.0, 0.0), False)])
    gone = wide & ~corrected
    around = distance_mm(HEAD, (0.0, 87.0, 0.0)) <= 10
    assert np.count_nonzero(gone & around) > 0.7 * np.count_nonzero(
        wide & ~HEAD.brain_mask & around
    )
    assert np.count_nonzero(gone & HEAD.brain_mask) < 0.1 * np.count_nonzero(gone)


@settings(max_examples=8, deadline=None)
@given(
    place=st.tuples(st.integers(-75, 75), st.integers(-90, 90), st.integers(-70, 70)),
    beside=st.booleans(),
    inside=st.booleans(),
    seed=st.integers(0, 99),
)
def test_wherever_one_clicks_it_is_so_afterwards_and_nothing_far_away_changes(
    place, beside, inside, seed
):
    rng = np.random.default_rng(seed)
    part = tuple(float(x) for x in rng.uniform(-70, 70, 3))
    mask = fill_holes(without_a_part(HEAD, part, float(rng.uniform(10, 40))))
    if beside:  # the surface, on the side where it is not so yet
        near = ndimage.binary_dilation(mask == inside) & (mask != inside)
        place = tuple(HEAD.affine[:3] @ [*rng.choice(np.argwhere(near)), 1.0])
    assume(distance_mm(HEAD, place)[mask == inside].min() <= MAX_DISTANCE_MM)
    before = mask.copy()
    corrected = correct_mask(mask, HEAD.array, HEAD.affine, [Click(place, inside)])
    assert np.array_equal(mask, before)
    assert at(HEAD, corrected, place) == inside
    changed = corrected != mask
    assert not (changed & (mask == inside)).any(), "'brain' only adds, 'not brain' takes away"
    cut_off = ~largest_component(mask & (distance_mm(HEAD, place) > FARTHEST_MM)) & mask
    assert not (changed & ~cut_off & (distance_mm(HEAD, place) > FARTHEST_MM)).any()
    assert np.array_equal(corrected, fill_holes(largest_component(corrected)))


def test_clicks_count_one_after_another_and_one_where_it_is_so_already_counts_for_nothing():
    damaged = without_a_part(HEAD)
    first, second = Click((-44.0, 18.0, 8.0), True), Click((0.0, 95.0, 0.0), False)
    once = correct_mask(damaged, HEAD.array, HEAD.affine, [first])
    assert not np.array_equal(once, damaged)
    assert correct_mask(damaged, HEAD.array, HEAD.affine, []) is damaged
    assert correct_mask(once, HEAD.array, HEAD.affine, [first, second]) is once
    third = Click((40.0, -50.0, 20.0), False)
    assert np.array_equal(
        correct_mask(damaged, HEAD.array, HEAD.affine, [first, second, third]),
        correct_mask(once, HEAD.array, HEAD.affine, [third]),
    )


def test_a_scan_of_one_value_or_with_nan_is_corrected_by_shape_alone():
    damaged = without_a_part(HEAD)
    for value in (7.0, np.nan):
        flat = np.full(HEAD.array.shape, value, dtype=np.float32)
        corrected = correct_mask(damaged, flat, HEAD.affine, [Click((-44.0, 18.0, 8.0), True)])
        assert dice(corrected, HEAD.brain_mask) > dice(damaged, HEAD.brain_mask)


@pytest.mark.parametrize(
    ("place", "inside", "words"),
    [
        ((400.0, 0.0, 0.0), True, "outside the scan"),
        ((0.0, -115.0, 0.0), True, "more than 60 mm"),
        ((0.0, 20.0, 0.0), False, "leaves no brain"),
    ],
)
def test_a_click_that_can_mean_nothing_is_refused_in_a_sentence(place, inside, words):
    small = distance_mm(HEAD, (0.0, 20.0, 0.0)) <= 5
    with pytest.raises(InputError, match=words):
        correct_mask(small, HEAD.array, HEAD.affine, [Click(place, inside)])
