"""Slices with neighbours: ends repeated, padding at the end."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skullstrip.network.brain_region import pad_to_multiple, slice_batch


@pytest.mark.parametrize(("index", "expected"), [(0, (0, 0, 2)), (3, (1, 3, 5)), (5, (3, 5, 5))])
def test_channels_are_neighbours_at_the_offset_and_the_ends_repeat(index, expected):
    volume = np.arange(6.0)[:, None, None] * np.ones((1, 2, 4))
    batch = slice_batch(volume, np.array([index, 2]), offset=2)
    assert batch.shape == (2, 2, 4, 3)
    assert batch.dtype == np.float32
    assert_array_equal(batch[0], np.broadcast_to(expected, (2, 4, 3)))
    assert_array_equal(batch[1], np.broadcast_to((0, 2, 4), (2, 4, 3)))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 64), (1, 31)])
def test_padding_appends_air_up_to_the_multiple(height, width):
    padded = pad_to_multiple(np.ones((3, height, width)), 32)
    assert padded.shape[0] == 3
    assert padded.shape[1] % 32 == padded.shape[2] % 32 == 0
    assert padded.sum() == 3 * height * width
    assert padded[:, :height, :width].all()
