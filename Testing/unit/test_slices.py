"""Slices with neighbours: each exactly once, ends repeated."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from SkullStripLib.slices import pad_to_multiple, slice_batches, slice_stack


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9])
def test_every_slice_is_covered_exactly_once(count: int) -> None:
    volume = np.arange(count, dtype=np.float32)[:, None, None] * np.ones((1, 4, 4), np.float32)
    covered = np.zeros(count, dtype=int)
    for where, batch in slice_batches(volume, batch_size=4, offset=1):
        covered[where] += 1
        assert_array_equal(batch[:, 0, 0, 1], np.arange(count)[where])
    assert_array_equal(covered, 1)


@pytest.mark.parametrize(("index", "expected"), [(0, (0, 0, 2)), (3, (1, 3, 5)), (5, (3, 5, 5))])
def test_channels_are_neighbours_at_the_offset_and_the_ends_repeat(
    index: int, expected: tuple[int, ...]
) -> None:
    volume = np.arange(6.0)[:, None, None] * np.ones((1, 2, 2))
    assert_array_equal(slice_stack(volume, index, offset=2)[0, 0], expected)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 64), (1, 31)])
def test_padding_appends_air_up_to_the_multiple(height: int, width: int) -> None:
    padded = pad_to_multiple(np.ones((3, height, width)), 32)
    assert padded.shape[0] == 3
    assert padded.shape[1] % 32 == padded.shape[2] % 32 == 0
    assert padded.sum() == 3 * height * width
    assert padded[:, :height, :width].all()
