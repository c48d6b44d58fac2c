"""Stitching, with plain functions in the network's place."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skullstrip.errors import Cancelled
from skullstrip.grid.regions import dice
from skullstrip.network.brain_region import BrainRegion
from skullstrip.network.predict import LEAST_PROBABILITY, Slices, View, fuse, predict_head

SAGITTA_SHARE = 0.005  # of a ball's voxels


def middle_channel(batch):
    """A 'network' that returns the slice itself."""
    assert batch.dtype == np.float32
    return batch[..., 1:2]


@pytest.fixture
def head():
    return np.random.default_rng(0).random((37, 70, 41), dtype=np.float32)


def every(axes):
    """All slices along these axes, where there is no region."""
    return Slices(axes, 1)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1, 2)])
def test_slices_return_to_where_they_were_cut(head, axes):
    found = predict_head(head, middle_channel, every(axes)).probability
    assert_allclose(found, head, atol=3 * LEAST_PROBABILITY)


def test_slices_that_come_back_out_of_turn_return_to_their_places(head):
    overtaken = threading.Event()
    first = iter([True])

    def overtaken_at_first(batch):
        if next(first, False):
            assert overtaken.wait(30)  # another batch is on its way, too
        overtaken.set()
        return middle_channel(batch)

    found = predict_head(head, overtaken_at_first, every((0,))).probability
    assert_allclose(found, head, atol=3 * LEAST_PROBABILITY)


def test_a_run_that_is_cancelled_ends_with_the_slices_on_their_way(head):
    calls, go_on = [], threading.Event()
    head = head.copy()
    head[:, :4] = 1  # by which the first slices are known, whichever thread is first

    def slow_but_for_the_first(batch):
        calls.append(len(batch))
        if batch.min() < 1:
            assert go_on.wait(120)
        return middle_channel(batch)

    def cancel(*_):
        threading.Timer(1, go_on.set).start()
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        predict_head(head, slow_but_for_the_first, every((1,)), progress=cancel)
    assert sum(calls) < head.shape[1] / 2


def test_views_that_agree_alike_have_the_mean_of_their_log_odds(head):
    def by_view(batch):
        value = {(70, 41): 0.9, (37, 41): 0.6, (37, 70): 0.7}[batch.shape[1:3]]
        return np.full((*batch.shape[:3], 1), value, np.float32)

    # Along X slices are 70 x 41 (96 x 64 padded), along Y 37 x 41, along Z 37 x 70.
    found = predict_head(head, by_view, every((0, 1, 2))).probability
    odds = (0.9 / 0.1 * 0.6 / 0.4 * 0.7 / 0.3) ** (1 / 3)
    assert_allclose(found, odds / (1 + odds), atol=1e-5)


def test_a_view_that_contradicts_what_two_agree_on_hardly_counts():
    head = ball((96, 100, 64), 25)

    def lost_along_z(batch):
        sees_z = batch.shape[1:3] == (96, 128)
        return 0 * batch[..., 1:2] if sees_z else batch[..., 1:2]

    found = predict_head(head, lost_along_z, every((0, 1, 2))).probability
    assert dice(found >= 0.5, head >= 0.5) > 0.97


def test_progress_counts_every_slice_up_to_the_total(head):
    heard = []
    predict_head(head, middle_channel, every((0, 2)), progress=lambda *word: heard.append(word))
    assert heard[-1] == ("predict", 37 + 41, 37 + 41)
    assert_array_equal(np.diff([done for _, done, _ in heard]) > 0, True)


class CountingNetwork:
    """Returns the slice itself and counts what it was asked."""

    def __init__(self):
        self.pixels = 0

    def __call__(self, batch):
        self.pixels += batch[..., 0].size
        return middle_channel(batch)


def ball(shape, radius):
    """Smooth ball of ones in the middle of zeros, its surface at `radius` voxels."""
    offsets = [np.arange(n) - (n - 1) / 2 for n in shape]
    distance = np.sqrt(sum(o**2 for o in np.meshgrid(*offsets, indexing="ij")))
    return (1 / (1 + np.exp(2 * (distance - radius)))).astype(np.float32)


def region_of(shape, start, stop, margin=4):
    """A region that claims the cube from `start` to `stop`."""
    blocks = np.zeros(tuple(size // 2 for size in shape), dtype=bool)
    blocks[(slice(start // 2, stop // 2),) * 3] = True
    return BrainRegion(blocks, (2, 2, 2), margin, shape)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_region_gives_the_same_surface_for_a_third_of_the_slices(axis):
    head = ball((180, 170, 164), 40)
    network = CountingNetwork()
    region = region_of(head.shape, 40, 130)
    found = predict_head(head, network, Slices((axis,), 3), region=region).probability
    # Between two slices of a ball the mean lies inside it by the sagitta, 0.03 to 2 voxels.
    different = (found >= 0.5) != (head >= 0.5)
    assert different.sum() < SAGITTA_SHARE * (head >= 0.5).sum()
    assert network.pixels < 0.34 * head.size


def test_three_views_know_from_each_other_what_lies_between_their_slices():
    head = ball((180, 170, 164), 40)
    region = region_of(head.shape, 40, 130)
    wrong = {
        axes: np.count_nonzero(
            (predict_head(head, middle_channel, Slices(axes, step), region=region)[0] >= 0.5)
            != (head >= 0.5)
        )
        for axes, step in (((0,), 6), ((0, 1, 2), 6))
    }
    assert wrong[0, 1, 2] < 0.2 * wrong[0,]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_false_brain_apart_from_the_brain_costs_no_second_look(axis):
    head = ball((180, 170, 164), 34)
    false_brain = [slice(70, 90)] * 3
    false_brain[axis] = slice(36, 41)
    head[tuple(false_brain)] = 1
    network = CountingNetwork()
    predict_head(head, network, Slices((axis,), 3), region=region_of(head.shape, 40, 130))
    assert network.pixels < 0.34 * head.size


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize("region_stop", [90, 100, 110])
def test_a_region_that_clips_the_brain_grows_there_alone(axes, region_stop):
    head = ball((180, 172, 164), 40)
    network = CountingNetwork()
    region = region_of(head.shape, 60, region_stop)
    found = predict_head(head, network, Slices(axes, 3), region=region).probability
    assert ((found >= 0.5) == (head >= 0.5)).mean() > 0.999
    assert found.max() > 0.99
    assert network.pixels < 0.6 * head.size * len(axes)  # all of it, whole, would be more than 1


@pytest.mark.parametrize("step", [2, 3])
def test_slices_between_two_have_logits_on_the_line_between_theirs(step):
    slices = np.array([0.2, 0.9], np.float32).reshape(2, 1, 1)
    probability = fuse([View(0, np.array([0, step]), slices)], (step + 1, 1, 1))
    ends = np.log(0.2 / 0.8), np.log(0.9 / 0.1)
    expected = 1 / (1 + np.exp(-np.linspace(*ends, step + 1)))
    assert_allclose(probability[:, 0, 0], expected, atol=1e-6)


def test_far_from_brain_the_slices_between_are_zero():
    slices = np.array([[[0.0, 0.9]], [[0.0, 0.9]]], np.float32)
    probability = fuse([View(0, np.array([0, 2]), slices)], (3, 1, 2))
    assert probability[1, 0, 1] > 0.89
    assert probability[1, 0, 0] == 0
