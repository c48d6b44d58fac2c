"""How a brain lies, told from its shape: a brain of four ellipsoids, and those of real heads."""

import numpy as np
import pytest

from skullstrip.grid.orientation import then
from skullstrip.prepare.head_orientation import UPRIGHT, turn_to_upright, turns
from Testing.phantoms import make_head

SPACING_MM = np.array([2.0, 2.0, 2.0])
# Centre and semi-axes in mm, to the right, anterior and superior: two hemispheres, which are
# broadest and highest behind their middle, the cerebellum and the stem.
PARTS = (
    ((-30, 10, 10), (34, 76, 46)),
    ((30, 10, 10), (34, 76, 46)),
    ((0, -20, 15), (66, 60, 50)),
    ((0, -50, -42), (50, 30, 25)),
    ((0, -28, -55), (14, 14, 32)),
)


def brain_of_ellipsoids():
    """Axes running right, anterior and superior, 2 mm."""
    grid = np.moveaxis(np.indices((80, 100, 90)), 0, -1) * 2.0 - (80.0, 100.0, 100.0)
    parts = [np.square((grid - centre) / axes).sum(axis=-1) <= 1 for centre, axes in PARTS]
    return np.logical_or.reduce(parts)


def is_upright(turn):
    """Left and right cannot be told apart."""
    return turn.axes == UPRIGHT.axes and turn.flipped[1:] == UPRIGHT.flipped[1:]


def test_there_are_24_turns_and_none_mirrors():
    assert len(set(turns())) == 24
    assert turns()[0] == UPRIGHT
    corner = np.zeros((2, 2, 2, 3))
    corner[..., :] = np.moveaxis(np.indices((2, 2, 2)), 0, -1)
    for turn in turns():
        turned = np.stack([turn.apply(corner[..., axis]) for axis in range(3)], axis=-1)
        steps = [turned[1, 0, 0], turned[0, 1, 0], turned[0, 0, 1]] - turned[0, 0, 0]
        assert np.linalg.det(steps) == pytest.approx(1)


def test_two_turns_in_a_row_are_one():
    array = np.arange(24).reshape(2, 3, 4)
    for first in turns()[::5]:
        for second in turns()[::3]:
            expected = second.apply(first.apply(array))
            np.testing.assert_array_equal(then(first, second).apply(array), expected)


@pytest.mark.parametrize("wrong", turns(), ids=str)
def test_a_brain_is_turned_back_from_every_way_it_may_lie(wrong):
    brain = wrong.apply(brain_of_ellipsoids())
    assert is_upright(then(wrong, turn_to_upright(brain, SPACING_MM)))


def test_a_thread_to_the_neck_does_not_count():
    brain = brain_of_ellipsoids()
    brain[38:41, 20:22, :20] = True
    assert turn_to_upright(brain, SPACING_MM) == UPRIGHT


def test_a_shape_that_fits_no_way_better_is_left():
    ball = np.square(np.indices((60, 60, 60)) - 29.5).sum(axis=0) < 25**2
    assert turn_to_upright(ball, SPACING_MM) == UPRIGHT
    assert turn_to_upright(make_head().brain_mask, SPACING_MM) == UPRIGHT


def test_specks_are_no_brain():
    specks = np.zeros((40, 40, 40), bool)
    specks[::10, ::10, ::10] = True
    assert turn_to_upright(specks, SPACING_MM) == UPRIGHT
