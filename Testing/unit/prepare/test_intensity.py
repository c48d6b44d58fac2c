"""Intensity scaling: robust, linear, the same whatever the units."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skullstrip.checks.appearance import without_fill
from skullstrip.prepare.intensity import scale_intensities
from Testing.phantoms import make_head

SAME_SCALING = 1e-3
RAMP = np.arange(1000, dtype=np.float32) / 1000


@pytest.fixture(scope="module")
def head():
    return make_head(spacing_mm=(4.0, 4.0, 4.0)).array


@pytest.mark.parametrize(("gain", "offset"), [(10.0, 0.0), (0.001, 0.0), (3.0, -500.0)])
def test_gain_and_offset_do_not_matter(head, gain, offset):
    assert_allclose(
        scale_intensities(head * gain + offset), scale_intensities(head), atol=SAME_SCALING
    )


def test_one_bright_vessel_does_not_darken_the_head(head):
    spiked = head.copy()
    spiked[10, 10, 10] = 1e6
    others = np.ones(head.shape, bool)
    others[10, 10, 10] = False
    assert_allclose(
        scale_intensities(spiked)[others], scale_intensities(head)[others], atol=SAME_SCALING
    )


def test_values_that_are_not_finite_count_as_the_lowest(head):
    broken = head.astype(np.float32)
    broken[:2, 0, 0] = [np.nan, np.inf]
    scaled = scale_intensities(broken)
    assert np.isfinite(scaled).all()
    assert scaled[0, 0, 0] == 0
    assert scaled[1, 0, 0] == 0


@pytest.mark.parametrize("blurred", [False, True])
@pytest.mark.parametrize("fill", [(-1e4,), (-32768,), (32767,), (65535,), (-3.4e38,), (3.4e38,),
                                  (-32768, -2000, 3.4e38)])  # fmt: skip
def test_fill_values_in_the_corners_change_nothing(head, fill, blurred):
    filled = head.astype(np.float32)
    for value, corner in zip(fill, (filled[:9, :9], filled[:9, -9:], filled[-9:]), strict=False):
        corner[...] = value
    others = np.isin(filled, np.float32(fill), invert=True)
    if blurred:  # by a resampling, voxels on the fill's edge are a mixture
        edge = others & np.roll(~others, 1, axis=2)
        edge[::3] = edge[1::3] = False
        filled[edge] = fill[0] / 2
        others &= ~edge
    expected, found = scale_intensities(head), scale_intensities(filled)
    assert_allclose(found[others], expected[others], atol=SAME_SCALING)
    assert not found[~others].any()


def test_an_empty_background_however_large_is_no_fill(head):
    stripped = np.where(head > 0.3 * head.max(), head + head.max(), 0)
    assert without_fill(stripped) is stripped


@pytest.mark.parametrize(
    "array",
    [*(np.full(1000, value) for value in (0.0, 7.0, -3.0)),
     *(RAMP * np.float32(largest) for largest in (1e-45, 1e-40, 1e-38))],
)  # fmt: skip
def test_one_value_or_some_too_near_each_other_for_single_precision_become_zero(array):
    with np.errstate(all="raise"):
        assert not scale_intensities(array.reshape(10, 10, 10)).any()
