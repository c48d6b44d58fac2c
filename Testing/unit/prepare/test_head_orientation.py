"""How a brain lies, told from its shape, and a head that lies another way than its header says.

The look at the brain is a stand-in that sees a brain of four ellipsoids.
"""

import numpy as np
import pytest

from skullstrip.grid.volume import Volume
from skullstrip.network.brain_region import BrainRegion
from skullstrip.prepare.head_orientation import UPRIGHT, find_upright, turn_to_upright, turns
from skullstrip.prepare.preprocess import Prepared, prepare, restore, turned
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


def test_a_thread_to_the_neck_a_shape_that_fits_no_way_better_and_specks_turn_nothing():
    hanging = brain_of_ellipsoids()
    hanging[38:41, 20:22, :20] = True
    ball = np.square(np.indices((60, 60, 60)) - 29.5).sum(axis=0) < 25**2
    specks = np.zeros((40, 40, 40), bool)
    specks[::10, ::10, ::10] = True
    for brain in (hanging, ball, make_head().brain_mask, specks):
        assert turn_to_upright(brain, SPACING_MM) == UPRIGHT


BLOCK = (2, 1, 1)


def prepared_brain(wrong):
    """A head that is its brain alone, at 2 mm, lying wrong in what `prepare` made of a grid."""
    head = np.ascontiguousarray(wrong.apply(brain_of_ellipsoids()).astype(np.float32))
    box = tuple(slice(3, 3 + size) for size in head.shape)
    shape = tuple(size + 5 + axis for axis, size in enumerate(head.shape))
    spacing_mm = np.full(3, 2.0)
    return Prepared(head, box, shape, shape, spacing_mm, spacing_mm, turns()[7])


def look(head):
    """Stand-in for the network's look."""
    blocks = head[:: BLOCK[0]] >= 0.5
    return BrainRegion(blocks, BLOCK, 5, head.shape)


@pytest.mark.parametrize("wrong", turns()[1:], ids=str)
def test_a_head_lying_wrong_is_warned_about_and_turned_on_request(wrong):
    prepared = prepared_brain(wrong)
    kept, _, checks = find_upright(prepared, look, False)
    found, region, found_checks = find_upright(prepared, look, True)
    mirrored_only = is_upright(wrong)
    assert kept is prepared
    expected = [] if mirrored_only else [("orientation_unlikely", "warn")]
    assert [(check.code, check.severity) for check in checks] == expected
    assert [check.code for check in found_checks] == [code for code, _ in expected]
    words = f"not {prepared.orientation.codes} as its header says", "'reorient' would"
    assert all(word in check.message for check in checks for word in words)
    assert region is not None
    assert region.shape == found.head.shape
    upright = brain_of_ellipsoids()
    best = max(np.mean(found.head == each) for each in (upright, upright[::-1]))
    assert best == 1.0


def test_a_head_lying_right_or_without_a_region_is_passed_over_in_silence():
    prepared = prepared_brain(UPRIGHT)
    found, _, checks = find_upright(prepared, look, True)
    assert found is prepared
    assert checks == ()
    prepared = prepared_brain(turns()[5])
    assert find_upright(prepared, lambda _: None, True) == (prepared, None, ())


@pytest.mark.parametrize("turn", turns()[::3], ids=str)
def test_a_turned_head_is_restored_to_the_inputs_own_grid(turn):
    head = make_head("PIR", (3.0, 2.5, 4.0))
    prepared = prepare(Volume(head.array, head.affine), 3.0)
    other = turned(prepared, turn)
    np.testing.assert_array_equal(other.head, turn.apply(prepared.head))
    np.testing.assert_allclose(
        restore(other.head, other), restore(prepared.head, prepared), atol=1e-5
    )
