"""Figures of agreement against geometry and a brute-force search, and what is made of many."""

import math

import numpy as np
import pytest
from scipy.spatial import cKDTree

from skullstrip.grid.regions import dice
from training.evaluation.scores import (
    FIGURES,
    agreement,
    by_group,
    evaluation_markdown,
    mean_interval,
    summarise,
    surface_distances_mm,
)

ISOTROPIC = (1.0, 1.0, 1.0)
SPACINGS = [ISOTROPIC, (0.7, 1.0, 3.0)]
ROUNDING_MM = 1e-9


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
    found, outside = agreement(predicted, reference, ISOTROPIC), reference.size - each
    assert dice(predicted, reference) == found["dice"] == pytest.approx(common / each)
    assert found["jaccard"] == pytest.approx(common / (2 * each - common))
    assert found["sensitivity"] == pytest.approx(common / each)
    assert found["specificity"] == pytest.approx((outside - (each - common)) / outside)


def test_sensitivity_specificity_and_the_sign_of_the_volume_error_look_at_the_reference():
    half, whole = boxes(shift=0)
    half[5:10] = False
    names = ("sensitivity", "specificity", "volume_error_percent")
    small, large = agreement(half, whole, ISOTROPIC), agreement(whole, half, ISOTROPIC)
    assert [small[name] for name in names] == pytest.approx([0.5, 1.0, -50.0])
    assert [large["sensitivity"], large["volume_error_percent"]] == pytest.approx([1.0, 100.0])
    assert large["specificity"] < 1.0


@pytest.mark.parametrize("spacing_mm", SPACINGS)
@pytest.mark.parametrize("shift", [1, 3])
def test_a_shifted_plate_is_its_shift_away(spacing_mm, shift):
    predicted, reference = np.zeros((20, 20, 20), bool), np.zeros((20, 20, 20), bool)
    predicted[..., 5] = True
    reference[..., 5 + shift] = True
    found = agreement(predicted, reference, spacing_mm)
    assert found["hd95_mm"] == pytest.approx(shift * spacing_mm[2])
    assert found["assd_mm"] == pytest.approx(shift * spacing_mm[2])


@pytest.mark.parametrize("spacing_mm", SPACINGS)
def test_surface_distances_are_those_of_a_brute_force_search(spacing_mm):
    radius = np.sqrt(((np.indices((24, 24, 24)) - 12) ** 2).sum(axis=0))
    reference = radius <= 9
    predicted = (radius <= 8) & (np.random.default_rng(1).random(radius.shape) > 0.1)
    predicted[0, 0, 0] = reference[-1, 3, 3] = True  # both touch the array's edge
    found = surface_distances_mm(predicted, reference, spacing_mm)
    expected = brute_force_distances(predicted, reference, spacing_mm)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.sort(one), np.sort(other), atol=ROUNDING_MM)


def test_hd95_ignores_one_stray_voxel_in_twenty_and_takes_the_worse_direction():
    predicted, reference = boxes(shift=0)
    predicted[28, 28, 38] = True
    assert agreement(predicted, reference, ISOTROPIC)["hd95_mm"] == 0.0
    half = reference.copy()
    half[10:] = False
    worse = agreement(half, reference, ISOTROPIC)["hd95_mm"]
    assert worse == agreement(reference, half, ISOTROPIC)["hd95_mm"] > 3


def test_an_empty_mask_agrees_with_another_and_is_infinitely_far_from_a_brain():
    empty, full = np.zeros((5, 5, 5), bool), np.ones((5, 5, 5), bool)
    names = ("dice", "jaccard", "hd95_mm", "assd_mm", "volume_error_percent", "sensitivity",
             "specificity")  # fmt: skip
    for predicted, reference, expected in (
        (empty, empty, (1, 1, 0, 0, 0, math.nan, 1)),
        (full, empty, (0, 0, math.inf, math.inf, math.inf, math.nan, 0)),
        (empty, full, (0, 0, math.inf, math.inf, -100, 0, math.nan)),
    ):
        found = [agreement(predicted, reference, ISOTROPIC)[name] for name in names]
        np.testing.assert_array_equal(found, expected)


def score(scan, dice, hd95=1.0, **groups):
    figures = dict.fromkeys(FIGURES, math.nan)
    known = {"scan": scan, "dice": dice, "hd95_mm": hd95, "volume_error_percent": -dice}
    return figures | known | {"failure": ""} | groups


def test_the_interval_covers_the_mean_as_often_as_it_claims_and_one_value_has_none():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        low, high = mean_interval(rng.normal(3, 1, 40), seed)
        covered += low <= 3 <= high
    assert 0.88 <= covered / 200 <= 0.99
    assert all(math.isnan(bound) for bound in mean_interval(np.ones(1)))


def test_the_worst_is_the_lowest_dice_and_the_largest_distance():
    scores = [score("a", 0.9, 5), score("b", 0.95, 1), score("c", 0.97, 2)]
    assert summarise(scores).worst == 0.9
    assert summarise(scores, "hd95_mm").worst == 5
    assert summarise(scores, "volume_error_percent").worst == -0.97
    assert summarise(scores).median == 0.95


def test_undefined_distances_are_counted_not_averaged():
    scores = [score("a", 0.9, 2), score("b", 0.0, math.nan), score("c", 0.0, math.inf)]
    assert summarise(scores).mean == pytest.approx(0.3)
    found = summarise(scores, "hd95_mm")
    assert (found.mean, found.scans, found.undefined) == (2, 1, 2)


def test_scans_are_collected_by_group_and_measurements_are_not():
    scores = [score(str(i), 0.9, site="ab"[i % 2], age=str(i), t="2.5") for i in range(20)]
    groups = by_group(scores)
    assert set(groups) == {("site", "a"), ("site", "b")}
    assert len(groups["site", "a"]) == 10


def test_the_report_lists_the_worst_scan_first_and_every_subgroup():
    scores = [score("good", 0.99, site="x"), score("bad", 0.8, site="y")]
    text = evaluation_markdown("Title", ["a fact"], scores)
    assert text.index("| bad |") < text.index("| good |")
    assert "| site | x | 1 | 0.9900 |" in text
    assert "| 0.8950 | 0.8000 | 2 |" in text  # median, worst, scans
    assert "- a fact" in text
