"""Pieces of masks, as SciPy finds them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from skullstrip.grid.regions import opened


@pytest.mark.parametrize("shape", [(20, 21, 9), (5, 2, 7), (1, 4, 4)])
def test_opening_is_scipys(shape):
    mask = ndimage.gaussian_filter(np.random.default_rng(0).random(shape), 0.8) > 0.48
    assert_array_equal(opened(mask), ndimage.binary_opening(mask, np.ones((2, 2, 2))))
