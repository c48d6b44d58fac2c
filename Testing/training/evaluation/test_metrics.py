"""Metrics against closed-form geometry and an independent brute-force search."""

import math

import numpy as np
import pytest
from scipy.spatial import cKDTree

from training.evaluation import metrics

SPACINGS = [(1.0, 1.0, 1.0), (0.7, 1.0, 3.0)]
ROUNDING_MM = 1e-9


def ball(radius_mm, spacing_mm, extent_mm=60.0):
    axes = [np.arange(-extent_mm / 2, extent_mm / 2, step) for step in spacing_mm]
    grid = np.meshgrid(*axes, indexing="ij")
    return sum(axis**2 for axis in grid) <= radius_mm**2


def figures(predicted, reference, spacing_mm=(1.0, 1.0, 1.0)):
    return metrics.agreement(predicted, reference, spacing_mm)


def boxes(shift):
    """Two boxes of 10 x 12 x 14 voxels, the second moved by `shift` voxels along the last axis."""
    first, second = np.zeros((30, 30, 40), bool), np.zeros((30, 30, 40), bool)
    first[5:15, 5:17, 5:19] = True
    second[5:15, 5:17, 5 + shift : 19 + shift] = True
    return first, second


def brute_force_distances(predicted, reference, spacing_mm):
    def surface(mask):
        padded = np.pad(mask, 1)
        inner = padded.copy()
        for axis in range(3):
            inner &= np.roll(padded, 1, axis) & np.roll(padded, -1, axis)
        return (np.argwhere(padded & ~inner) - 1) * np.array(spacing_mm)

    a, b = surface(predicted), surface(reference)
    return cKDTree(b).query(a)[0], cKDTree(a).query(b)[0]


def test_overlap_of_shifted_boxes_is_the_counted_one():
    predicted, reference = boxes(shift=4)
    common, each = 10 * 12 * 10, 10 * 12 * 14
    found, outside = figures(predicted, reference), reference.size - each
    assert metrics.dice(predicted, reference) == found["dice"] == pytest.approx(common / each)
    assert found["jaccard"] == pytest.approx(common / (2 * each - common))
    assert found["sensitivity"] == pytest.approx(common / each)
    assert found["specificity"] == pytest.approx((outside - (each - common)) / outside)


def test_sensitivity_and_specificity_look_at_the_reference():
    predicted, reference = boxes(shift=0)
    predicted[5:10] = False
    assert figures(predicted, reference)["sensitivity"] == pytest.approx(0.5)
    assert figures(predicted, reference)["specificity"] == 1.0
    assert figures(reference, predicted)["sensitivity"] == 1.0
    assert figures(reference, predicted)["specificity"] < 1.0


def test_a_mask_too_large_has_a_positive_volume_error():
    half, whole = np.zeros((4, 4, 4), bool), np.ones((4, 4, 4), bool)
    half[:2] = True
    assert figures(whole, half)["volume_error_percent"] == pytest.approx(100.0)
    assert figures(half, whole)["volume_error_percent"] == pytest.approx(-50.0)


@pytest.mark.parametrize("spacing_mm", SPACINGS)
@pytest.mark.parametrize("shift", [1, 3])
def test_a_shifted_plate_is_its_shift_away(spacing_mm, shift):
    predicted, reference = np.zeros((20, 20, 20), bool), np.zeros((20, 20, 20), bool)
    predicted[..., 5] = True
    reference[..., 5 + shift] = True
    expected = shift * spacing_mm[2]
    found = figures(predicted, reference, spacing_mm)
    assert found["hd95_mm"] == pytest.approx(expected)
    assert found["assd_mm"] == pytest.approx(expected)


@pytest.mark.parametrize("spacing_mm", SPACINGS)
def test_surface_distances_are_those_of_a_brute_force_search(spacing_mm):
    reference = ball(9.0, (1, 1, 1), 24)
    predicted = ball(8.0, (1, 1, 1), 24)
    predicted &= np.random.default_rng(1).random(predicted.shape) > 0.1
    predicted[0, 0, 0] = reference[-1, 3, 3] = True  # both touch the array's edge
    found = metrics.surface_distances_mm(predicted, reference, spacing_mm)
    expected = brute_force_distances(predicted, reference, spacing_mm)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.sort(one), np.sort(other), atol=ROUNDING_MM)


def test_hd95_ignores_one_stray_voxel_in_twenty_and_takes_the_worse_direction():
    predicted, reference = boxes(shift=0)
    predicted[28, 28, 38] = True
    assert figures(predicted, reference)["hd95_mm"] == 0.0
    half = reference.copy()
    half[10:] = False
    worse = figures(half, reference)["hd95_mm"]
    assert worse == figures(reference, half)["hd95_mm"] > 3


def test_an_empty_mask_agrees_with_another_and_is_infinitely_far_from_a_brain():
    empty, full = np.zeros((5, 5, 5), bool), np.ones((5, 5, 5), bool)
    names = ("dice", "jaccard", "hd95_mm", "assd_mm", "volume_error_percent", "sensitivity")
    for predicted, reference, expected in (
        (empty, empty, (1, 1, 0, 0, 0, math.nan)),
        (full, empty, (0, 0, math.inf, math.inf, math.inf, math.nan)),
        (empty, full, (0, 0, math.inf, math.inf, -100, 0)),
    ):
        found = [figures(predicted, reference)[name] for name in names]
        np.testing.assert_array_equal(found, expected)
    assert figures(empty, empty)["specificity"] == 1.0
    assert math.isnan(figures(empty, full)["specificity"])
