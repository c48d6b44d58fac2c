"""Options of the cut together, and the sentence where nothing is left."""

import numpy as np
import pytest

from skullstrip.errors import InputError
from skullstrip.grid.volume import Volume
from skullstrip.mask.csf import without_outer_csf
from skullstrip.mask.postprocess import brain_mask_from_probability, cut_brain, with_border
from Testing.phantoms import make_head

SPACING_MM = (3.0, 3.0, 3.0)


@pytest.fixture(scope="module")
def head():
    return make_head(spacing_mm=SPACING_MM)


@pytest.mark.parametrize("border_mm", [-4.0, 0.0, 4.0])
def test_the_border_moves_what_is_left_without_fluid(head, border_mm):
    scan, probability = Volume(head.array, head.affine), head.brain_mask.astype(np.float32)
    spacing = np.array(SPACING_MM)
    plain = cut_brain(scan, probability, border_mm)
    np.testing.assert_array_equal(
        plain, brain_mask_from_probability(probability, spacing, border_mm)
    )
    base = brain_mask_from_probability(probability, spacing)
    tissue = without_outer_csf(base, head.array, head.affine)
    np.testing.assert_array_equal(
        cut_brain(scan, probability, border_mm, keep_csf=False),
        with_border(tissue, spacing, border_mm),
    )


@pytest.mark.parametrize("keep_csf", [True, False])
def test_a_border_is_not_blamed_where_there_is_no_brain(head, keep_csf):
    scan, probability = Volume(head.array, head.affine), head.brain_mask.astype(np.float32)
    with pytest.raises(InputError, match="No brain was found"):
        cut_brain(scan, 0 * probability, -1.0, keep_csf)
    with pytest.raises(InputError, match="border of -500 mm leaves no brain"):
        cut_brain(scan, probability, -500.0, keep_csf)
