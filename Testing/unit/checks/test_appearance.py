"""Images that are no T1-weighted heads, and real heads that must pass clean."""

import numpy as np
import pytest

from skullstrip.checks.appearance import appearance_findings
from Testing.phantoms import make_head


def codes(array, affine):
    """Codes of what was found."""
    return [code for code, _ in appearance_findings(array, affine)]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_mask_is_taken_for_a_label_map(dtype):
    head = make_head()
    assert codes(head.brain_mask.astype(dtype), head.affine) == ["label_map"]


def test_hounsfield_units_are_noticed():
    head = make_head(noise=20.0)
    assert "ct_like" in codes(head.array * 20 - 1000, head.affine)


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 3.0), (2.0, 2.0, 2.0)])
def test_a_stripped_scan_is_noticed(spacing_mm):
    head = make_head(spacing_mm=spacing_mm)
    assert codes(head.array * head.brain_mask, head.affine) == ["already_stripped"]


def test_values_that_are_not_finite_are_passed_over():
    head = make_head()
    head.array[::7, ::5] = np.nan
    assert codes(head.array, head.affine) == []


def test_a_few_finite_voxels_among_nan_break_nothing():
    array = np.full((100, 100, 100), np.nan, np.float32)
    array[0, 0, 1:3] = 1, 2  # voxels that a sample of every third one misses
    assert codes(array, np.diag([2.0, 2.0, 2.0, 1.0])) == []
