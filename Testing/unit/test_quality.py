"""What is said about a result: nothing of a plausible brain, one warning for each doubt."""

from __future__ import annotations

import numpy as np
import pytest

from SkullStripLib.quality import judge
from Testing.phantoms import make_head


def test_a_plausible_brain_is_passed_over_in_silence() -> None:
    assert judge(make_head(spacing_mm=(3.0, 3.0, 3.0)).brain_mask, 0.027) == ()


@pytest.mark.parametrize(("voxel_ml", "code"), [(0.01, "brain_small"), (0.06, "brain_large")])
def test_a_brain_of_an_odd_size_is_named(voxel_ml: float, code: str) -> None:
    mask = make_head(spacing_mm=(3.0, 3.0, 3.0)).brain_mask
    assert [check.code for check in judge(mask, voxel_ml)] == [code]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_brain_cut_by_the_images_edge_is_named(axis: int) -> None:
    mask = make_head(spacing_mm=(3.0, 3.0, 3.0)).brain_mask
    half = np.moveaxis(np.moveaxis(mask, axis, 0)[mask.shape[axis] // 3 :], 0, axis)
    assert [check.code for check in judge(half, 0.027)] == ["brain_cut"]


def test_a_stem_that_leaves_the_image_is_no_cut() -> None:
    mask = make_head(spacing_mm=(3.0, 3.0, 3.0)).brain_mask
    x, y, _ = (size // 2 for size in mask.shape)
    mask[x - 3 : x + 3, y - 3 : y + 3, :20] = True
    assert judge(mask, 0.027) == ()


def test_an_empty_mask_is_named() -> None:
    assert [check.code for check in judge(np.zeros((5, 5, 5), bool), 1.0)] == ["no_brain"]
