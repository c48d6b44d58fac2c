"""Intensity scaling: robust, linear, the same whatever the units."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skullstrip.prepare.intensity import scale_intensities
from Testing.phantoms import make_head

SAME_SCALING = 1e-3


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    return make_head(spacing_mm=(4.0, 4.0, 4.0)).array


@pytest.mark.parametrize(("gain", "offset"), [(10.0, 0.0), (0.001, 0.0), (3.0, -500.0)])
def test_gain_and_offset_do_not_matter(head: np.ndarray, gain: float, offset: float) -> None:
    assert_allclose(
        scale_intensities(head * gain + offset), scale_intensities(head), atol=SAME_SCALING
    )


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_any_real_dtype_gives_single_precision_in_the_unit_interval(
    head: np.ndarray, kind: type
) -> None:
    scaled = scale_intensities(head.astype(kind))
    assert scaled.dtype == np.float32
    assert scaled.min() == 0
    assert scaled.max() == 1


def test_one_bright_vessel_does_not_darken_the_head(head: np.ndarray) -> None:
    spiked = head.copy()
    spiked[10, 10, 10] = 1e6
    others = np.ones(head.shape, bool)
    others[10, 10, 10] = False
    assert_allclose(
        scale_intensities(spiked)[others], scale_intensities(head)[others], atol=SAME_SCALING
    )


def test_more_air_around_the_head_changes_little(head: np.ndarray) -> None:
    padded = np.pad(head, 20, constant_values=2.0)
    inner = scale_intensities(padded)[20:-20, 20:-20, 20:-20]
    assert np.abs(inner - scale_intensities(head)).mean() < 0.05


def test_values_that_are_not_finite_count_as_the_lowest(head: np.ndarray) -> None:
    broken = head.astype(np.float32)
    broken[:2, 0, 0] = [np.nan, np.inf]
    scaled = scale_intensities(broken)
    assert np.isfinite(scaled).all()
    assert scaled[0, 0, 0] == 0
    assert scaled[1, 0, 0] == 0


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_a_constant_volume_becomes_zero(value: float) -> None:
    assert not scale_intensities(np.full((5, 5, 5), value)).any()


@pytest.mark.parametrize("unit", [1e-45, 1e-40, 1e-38])
def test_values_too_near_each_other_for_single_precision_become_zero(unit: float) -> None:
    array = np.arange(1000, dtype=np.float32).reshape(10, 10, 10) * np.float32(unit / 1000)
    with np.errstate(all="raise"):
        assert not scale_intensities(array).any()
