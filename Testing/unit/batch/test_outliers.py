import numpy as np
import pytest

from skullstrip.batch.report_data import FEWEST, volume_limits


def test_the_limits_are_those_of_iglewicz_and_hoaglin():
    volumes = [1300.0, 1350.0, 1400.0, 1450.0, 1500.0, 1550.0, 1600.0, 1650.0, 1700.0]
    limits = volume_limits(volumes)
    assert limits is not None
    assert limits.median == 1500.0
    # The median absolute deviation is 100; a modified z-score is 0.6745 of it, 3.5 the limit.
    assert limits.high - limits.median == pytest.approx(3.5 * 100 / 0.6745, rel=1e-4)
    assert limits.median - limits.low == pytest.approx(limits.high - limits.median)


def test_outliers_themselves_hardly_move_the_limits():
    volumes = np.random.default_rng(0).normal(1450, 120, 500)
    clean, spoilt = volume_limits(volumes), volume_limits([*volumes, *[30_000.0] * 20])
    assert clean is not None
    assert spoilt is not None
    assert spoilt.high == pytest.approx(clean.high, rel=0.02)
    assert spoilt.high < 30_000


@pytest.mark.parametrize(
    "volumes", [[], [1450.0] * 50, list(range(1400, 1400 + FEWEST - 1)), [np.nan] * 20]
)
def test_where_the_spread_says_nothing_there_are_no_limits(volumes):
    assert volume_limits(volumes) is None
