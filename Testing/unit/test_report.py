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


def test_what_was_estimated_stands_with_its_error():
    assert volume_line(RESULT) == "1442.4 mL ± 21 mL"
    assert quality_line(RESULT) == "pass (Dice about 0.988 ± 0.004)"


def test_what_was_not_estimated_is_left_out():
    unknown = dataclasses.replace(RESULT, dice_estimate=math.nan, volume_error_ml=math.nan)
    assert volume_line(unknown) == "1442.4 mL"
    assert quality_line(unknown) == "pass"


@pytest.mark.parametrize(
    ("judged", "words"),
    [("before border", "judged before the border moved"), ("before CSF", "before fluid was taken")],
)
def test_a_mask_that_changed_after_the_verdict_says_which_one_was_judged(judged, words):
    changed = dataclasses.replace(RESULT, judged=judged, volume_error_ml=math.nan)
    assert quality_line(changed).startswith("pass (Dice about 0.988 ± 0.004, judged before")
    assert words in quality_line(changed)
    assert volume_line(changed) == "1442.4 mL"


@pytest.mark.parametrize("length", [1, LONGEST_NAME, LONGEST_NAME + 1, 255])
def test_a_long_name_leaves_room_for_the_verdict(length):
    name = ("sub-01_" + "x" * 255)[: max(1, length - len(".nii.gz"))] + ".nii.gz"
    short = short_name(name)
    assert len(short) <= LONGEST_NAME
    assert (short == name) is (len(name) <= LONGEST_NAME)
    assert short.endswith(".nii.gz")
    assert short[0] == "s"
