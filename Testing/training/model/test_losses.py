"""Losses against NumPy."""

import numpy as np
import pytest

from training.model.train import SMOOTH, dice_score, make_loss

SHAPE = (3, 16, 16, 1)
RNG = np.random.default_rng(2)
TRUTH, PROBABILITY = (RNG.random(SHAPE) < 0.3).astype(np.uint8), RNG.random(SHAPE, dtype=np.float32)


def numpy_dice(truth, probability):
    both = (truth.astype(np.float64) * probability).sum()
    return float((2 * both + SMOOTH) / (truth.sum(dtype=np.float64) + probability.sum() + SMOOTH))


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_cross_entropy_is_added_with_its_weight_and_a_perfect_prediction_costs_nothing(weight):
    loss, p = make_loss(weight), PROBABILITY.astype(np.float64)
    entropy = -np.mean(TRUTH * np.log(p) + (1 - TRUTH) * np.log(1 - p))
    expected = 1 - numpy_dice(TRUTH, PROBABILITY) + weight * entropy
    assert float(loss(TRUTH, PROBABILITY)) == pytest.approx(expected, rel=1e-4)
    assert float(loss(TRUTH, TRUTH.astype(np.float32))) == pytest.approx(0, abs=1e-5)


def test_brain_found_in_a_slice_without_brain_costs_something():
    truth = TRUTH.copy()
    truth[1] = 0
    stray = truth.astype(np.float32)
    stray[1, :4, :4] = 1
    assert float(make_loss(0.0)(truth, stray)) > 0.01


def test_the_score_is_of_the_thresholded_batch():
    expected = numpy_dice(TRUTH, (PROBABILITY > 0.5).astype(np.float64))
    assert float(dice_score(TRUTH, PROBABILITY)) == pytest.approx(expected, abs=1e-5)
