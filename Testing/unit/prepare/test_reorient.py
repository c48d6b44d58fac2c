"""A head that lies another way than its header says: noticed, and turned on request.

The look at the brain is a stand-in that sees a brain of four ellipsoids.
"""

from dataclasses import replace

import numpy as np
import pytest

from skullstrip.grid.orientation import Orientation, orientation_codes
from skullstrip.grid.volume import Volume
from skullstrip.network.brain_region import BrainRegion
from skullstrip.network.manifest import Preprocessing
from skullstrip.prepare.head_orientation import UPRIGHT, find_upright, turns
from skullstrip.prepare.preprocess import Prepared, prepare, restore, turned
from Testing.phantoms import make_head
from Testing.unit.prepare.test_head_orientation import brain_of_ellipsoids, is_upright

BLOCK = (2, 1, 1)


def prepared_brain(wrong):
    """A head that is its brain alone, at 2 mm, lying wrong in a grid that says RAS."""
    head = np.ascontiguousarray(wrong.apply(brain_of_ellipsoids()).astype(np.float32))
    box = tuple(slice(3, 3 + size) for size in head.shape)
    shape = tuple(size + 5 + axis for axis, size in enumerate(head.shape))
    spacing_mm = np.full(3, 2.0)
    return Prepared(head, box, shape, shape, spacing_mm, spacing_mm, UPRIGHT)


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
    assert region is not None
    assert region.shape == found.head.shape
    upright = brain_of_ellipsoids()
    best = max(np.mean(found.head == each) for each in (upright, upright[::-1]))
    assert best == 1.0


def test_a_head_lying_right_is_passed_over_in_silence():
    prepared = prepared_brain(UPRIGHT)
    found, _, checks = find_upright(prepared, look, True)
    assert found is prepared
    assert checks == ()


def test_without_a_region_nothing_is_said():
    prepared = prepared_brain(turns()[5])
    assert find_upright(prepared, lambda _: None, True) == (prepared, None, ())


def test_the_message_names_both_ways_and_what_to_do():
    wrong = turns()[7]
    prepared = replace(prepared_brain(wrong), orientation=Orientation((1, 2, 0), (True,) * 3))
    _, _, (check,) = find_upright(prepared, look, False)
    assert f"not {orientation_codes(prepared.orientation)} as its header says" in check.message
    assert "'reorient' would" in check.message


@pytest.mark.parametrize("turn", turns()[::3], ids=str)
def test_a_turned_head_is_restored_to_the_inputs_own_grid(turn):
    head = make_head("PIR", (3.0, 2.5, 4.0))
    prepared = prepare(Volume(head.array, head.affine), Preprocessing(spacing_mm=3.0))
    other = turned(prepared, turn)
    np.testing.assert_array_equal(other.head, turn.apply(prepared.head))
    np.testing.assert_allclose(
        restore(other.head, other), restore(prepared.head, prepared), atol=1e-5
    )
