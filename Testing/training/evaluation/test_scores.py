import math

import numpy as np
import pytest

from training.evaluation.scores import (
    FIGURES,
    by_group,
    evaluation_markdown,
    mean_interval,
    summarise,
)


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
    assert "- a fact" in text
