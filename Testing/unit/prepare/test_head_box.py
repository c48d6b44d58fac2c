"""The head's box: it may be too large, never too small."""

import numpy as np
import pytest

from skullstrip.prepare.head_box import head_bounding_box
from skullstrip.prepare.intensity import scale_intensities
from Testing.phantoms import make_head


@pytest.mark.parametrize("noise", [1.0, 8.0])
@pytest.mark.parametrize("shift_mm", [(0.0, 0.0, 0.0), (0.0, 0.0, -60.0), (70.0, 30.0, 0.0)])
def test_the_brain_is_inside_the_box_wherever_it_lies(shift_mm, noise):
    head = make_head(shift_mm=shift_mm, noise=noise, field_of_view_mm=(300.0, 300.0, 300.0))
    box = head_bounding_box(scale_intensities(head.array), 2.0)
    assert head.brain_mask[box].sum() == head.brain_mask.sum()


def test_air_is_cut_away_to_the_margin():
    head = make_head(field_of_view_mm=(400.0, 400.0, 400.0))
    scaled = scale_intensities(head.array)
    box = head_bounding_box(scaled, 2.0)
    assert scaled[box].size < 0.35 * scaled.size


def test_a_volume_without_a_head_is_kept_whole():
    empty = np.zeros((20, 30, 40), dtype=np.float32)
    assert head_bounding_box(empty, 1.0) == (slice(0, 20), slice(0, 30), slice(0, 40))
