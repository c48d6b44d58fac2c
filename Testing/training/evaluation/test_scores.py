import math

import numpy as np
import pytest

from training.evaluation.scores import (
    DICE,
    FAILED,
    FIGURES,
    HD95,
    ScanScore,
    by_group,
    evaluation_markdown,
    group_table,
    mean_interval,
    summarise,
)

VOLUME = FIGURES[6]


def score(scan, dice, hd95=1.0, **groups):
    values = FAILED | {"dice": dice, "hd95_mm": hd95, "volume_error_percent": -dice}
    return ScanScore(scan, scan, tuple(groups.items()), values)


def test_the_interval_covers_the_mean_as_often_as_it_claims():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        low, high = mean_interval(rng.normal(3, 1, 40), seed)
        covered += low <= 3 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_interval_is_the_same_for_the_same_seed_and_one_value_has_none():
    values = np.random.default_rng(1).random(40)
    assert mean_interval(values, 3) == mean_interval(values, 3)
    assert mean_interval(values, 3) != mean_interval(values, 4)
    assert all(math.isnan(bound) for bound in mean_interval(values[:1]))


def test_the_worst_is_the_lowest_dice_and_the_largest_distance():
    scores = [score("a", 0.9, 5), score("b", 0.95, 1), score("c", 0.97, 2)]
    assert summarise(scores, DICE).worst == 0.9
    assert summarise(scores, HD95).worst == 5
    assert summarise(scores, VOLUME).worst == -0.97
    assert summarise(scores, DICE).median == 0.95


def test_undefined_distances_are_counted_not_averaged_and_a_failed_scan_has_dice_zero():
    scores = [score("a", 0.9, 2), ScanScore("b", failure="refused"), score("c", 0.0, math.inf)]
    assert summarise(scores).mean == pytest.approx(0.3)
    found = summarise(scores, HD95)
    assert (found.mean, found.count, found.undefined) == (2, 1, 2)


def test_scans_are_collected_by_group_and_measurements_are_not():
    scores = [score(str(i), 0.9, site="ab"[i % 2], age=str(i), t="2.5") for i in range(20)]
    groups = by_group(scores)
    assert set(groups) == {("site", "a"), ("site", "b")}
    assert len(groups["site", "a"]) == 10


def test_the_report_lists_the_worst_scan_first_and_every_subgroup():
    scores = [score("good", 0.99, site="x"), score("bad", 0.8, site="y")]
    text = evaluation_markdown("Title", ["a fact"], scores)
    assert text.index("| bad |") < text.index("| good |")
    assert "| site | x | 1 | 0.9900 |" in group_table(scores)
    assert "- a fact" in text
