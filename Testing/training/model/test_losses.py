"""Losses against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from training.model.losses import SMOOTH, dice_score, make_loss, soft_dice

TOLERANCE = 1e-5
SHAPE = (3, 16, 16, 1)


def numpy_dice(truth: np.ndarray, probability: np.ndarray) -> float:
    both = (truth.astype(np.float64) * probability).sum()
    return float((2 * both + SMOOTH) / (truth.sum(dtype=np.float64) + probability.sum() + SMOOTH))


def made(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.random(SHAPE) < 0.3).astype(np.uint8), rng.random(SHAPE, dtype=np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_dice_is_what_numpy_says(seed):
    truth, probability = made(seed)
    assert float(soft_dice(truth, probability)) == pytest.approx(
        numpy_dice(truth, probability), abs=TOLERANCE
    )


def test_a_perfect_prediction_costs_nothing():
    truth, _ = made(0)
    assert float(make_loss(0.0)(truth, truth.astype(np.float32))) == pytest.approx(0, abs=TOLERANCE)
    assert float(make_loss(1.0)(truth, truth.astype(np.float32))) == pytest.approx(0, abs=TOLERANCE)


def test_a_batch_without_brain_and_without_prediction_is_perfect():
    nothing = np.zeros(SHAPE, np.float32)
    assert float(soft_dice(nothing, nothing)) == 1
    assert float(dice_score(nothing, nothing)) == 1


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


def test_a_better_prediction_costs_less():
    truth, _ = made(0)
    mixtures = [truth * share + 0.5 * (1 - share) for share in (0.0, 0.3, 0.6, 0.9)]
    for weight in (0.0, 1.0):
        costs = [float(make_loss(weight)(truth, mix.astype(np.float32))) for mix in mixtures]
        assert costs == sorted(costs, reverse=True)
