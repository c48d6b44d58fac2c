"""Losses against NumPy."""

import numpy as np
import pytest

from training.model.losses import SMOOTH, dice_score, make_loss

TOLERANCE = 1e-5
SHAPE = (3, 16, 16, 1)


def numpy_dice(truth, probability):
    both = (truth.astype(np.float64) * probability).sum()
    return float((2 * both + SMOOTH) / (truth.sum(dtype=np.float64) + probability.sum() + SMOOTH))


def made(seed):
    rng = np.random.default_rng(seed)
    return (rng.random(SHAPE) < 0.3).astype(np.uint8), rng.random(SHAPE, dtype=np.float32)


def test_a_perfect_prediction_costs_nothing():
    truth, _ = made(0)
    for weight in (0.0, 1.0):
        cost = float(make_loss(weight)(truth, truth.astype(np.float32)))
        assert cost == pytest.approx(0, abs=TOLERANCE)


def test_brain_found_in_a_slice_without_brain_costs_something():
    truth, _ = made(1)
    truth[1] = 0
    clean = truth.astype(np.float32)
    stray = clean.copy()
    stray[1, :4, :4] = 1
    loss = make_loss(0.0)
    assert float(loss(truth, stray)) > float(loss(truth, clean)) + 0.01


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_cross_entropy_is_added_with_its_weight(weight):
    truth, probability = made(2)
    p = probability.astype(np.float64)
    entropy = -np.mean(truth * np.log(p) + (1 - truth) * np.log(1 - p))
    expected = 1 - numpy_dice(truth, probability) + weight * entropy
    assert float(make_loss(weight)(truth, probability)) == pytest.approx(expected, rel=1e-4)


def test_the_score_is_of_the_thresholded_batch():
    truth, probability = made(0)
    expected = numpy_dice(truth, (probability > 0.5).astype(np.float64))
    assert float(dice_score(truth, probability)) == pytest.approx(expected, abs=TOLERANCE)
