"""A result in words: its volume, its verdict, and the name that stands before them."""

import dataclasses
import math

import numpy as np
import pytest

from skullstrip.pipeline import BrainExtraction
from skullstrip.report import LONGEST_NAME, quality_line, short_name, volume_line

RESULT = BrainExtraction(
    brain_mask=np.ones((1, 1, 1), dtype=bool),
    brain_probability=np.zeros((1, 1, 1), dtype=np.float32),
    affine=np.diag([1442.43, 100, 10, 1]),  # of one voxel
    verdict="pass",
    judged="as written",
    dice_estimate=0.9876,
    dice_error=0.0044,
    volume_error_ml=21.2,
)


@pytest.mark.parametrize(
    ("changes", "volume", "quality"),
    [
        ({}, "1442.4 mL ± 21 mL", "pass (Dice about 0.988 ± 0.004)"),
        ({"dice_estimate": math.nan, "volume_error_ml": math.nan}, "1442.4 mL", "pass"),
        ({"judged": "before border", "volume_error_ml": math.nan}, "1442.4 mL",
         "pass (Dice about 0.988 ± 0.004, judged before the border moved)"),
    ],
)  # fmt: skip
def test_what_was_estimated_stands_with_its_error_and_what_was_not_is_left_out(
    changes, volume, quality
):
    result = dataclasses.replace(RESULT, **changes)
    assert (volume_line(result), quality_line(result)) == (volume, quality)


@pytest.mark.parametrize("length", [1, LONGEST_NAME, LONGEST_NAME + 1, 255])
def test_a_long_name_leaves_room_for_the_verdict(length):
    name = ("sub-01_" + "x" * 255)[: max(1, length - len(".nii.gz"))] + ".nii.gz"
    short = short_name(name)
    assert len(short) <= LONGEST_NAME
    assert (short == name) is (len(name) <= LONGEST_NAME)
    assert short.endswith(".nii.gz")
    assert short[0] == "s"
