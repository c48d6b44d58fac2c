"""Stitching, with plain functions in the network's place."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from SkullStripLib.errors import Cancelled
from SkullStripLib.inference import predict_head


def middle_channel(batch: np.ndarray) -> np.ndarray:
    """A 'network' that returns the slice itself."""
    assert batch.dtype == np.float32
    assert batch.shape[1] % 32 == batch.shape[2] % 32 == 0
    return batch[..., 1:2]


@pytest.fixture
def head() -> np.ndarray:
    return np.random.default_rng(0).random((37, 70, 41), dtype=np.float32)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1, 2)])
def test_slices_return_to_where_they_were_cut(head: np.ndarray, axes: tuple[int, ...]) -> None:
    assert_allclose(predict_head(head, middle_channel, axes), head, atol=1e-6)


def test_three_views_are_averaged(head: np.ndarray) -> None:
    def by_view(batch: np.ndarray) -> np.ndarray:
        value = {(96, 64): 0.9, (64, 64): 0.6, (64, 96): 0.3}[batch.shape[1:3]]
        return np.full((*batch.shape[:3], 1), value, np.float32)

    # Along X slices are 70 x 41 (96 x 64 padded), along Y 37 x 41, along Z 37 x 70.
    found = predict_head(head, by_view, (0, 1, 2))
    assert_allclose(found, (0.9 + 0.6 + 0.3) / 3, atol=1e-6)


def test_progress_counts_every_slice_up_to_the_total(head: np.ndarray) -> None:
    heard: list[tuple[str, int, int]] = []
    predict_head(head, middle_channel, (0, 2), progress=lambda *word: heard.append(word))
    assert heard[-1] == ("predict", 37 + 41, 37 + 41)
    assert_array_equal(np.diff([done for _, done, _ in heard]) > 0, True)


def test_what_progress_raises_ends_the_run(head: np.ndarray) -> None:
    def cancel(stage: str, done: int, total: int) -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        predict_head(head, middle_channel, progress=cancel)
