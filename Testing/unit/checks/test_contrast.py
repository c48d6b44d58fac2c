"""Whether fluid is brighter than brain, on phantoms with a layer of fluid and on real heads."""

import numpy as np
import pytest

from skullstrip.checks.contrast import contrast_checks, fluid_and_bone
from skullstrip.network.brain_region import BrainRegion

BLOCK = (6, 2, 2)


def region_of(brain):
    """What the coarse pass would find of a brain in 1 mm voxels."""
    blocks = brain[tuple(slice(block // 2, None, block) for block in BLOCK)]
    return BrainRegion(blocks, BLOCK, 9, brain.shape)


def brain_in_fluid(fluid, tissue, bone=0.05):
    radius = np.sqrt(np.square(np.indices((120, 120, 120)) - 59.5).sum(axis=0))
    head = np.select([radius < 46, radius < 50], [tissue, fluid], bone).astype(np.float32)
    return head, region_of(radius < 50)


def test_dark_fluid_is_nothing_to_speak_of():
    assert contrast_checks(*brain_in_fluid(0.2, 0.6)) == ()


@pytest.mark.parametrize(
    ("fluid", "bone", "found"),
    [
        (0.9, 0.05, ("contrast_inverted", "note")),
        (0.41, 0.05, ("contrast_inverted", "note")),
        (0.38, 0.9, ("ct_like", "warn")),
    ],
)
def test_fluid_and_bone_tell_the_contrast(fluid, bone, found):
    (check,) = contrast_checks(*brain_in_fluid(fluid, 0.4, bone))
    assert (check.code, check.severity) == found


def test_a_brain_without_a_core_is_no_reason_to_fail():
    head, region = brain_in_fluid(0.9, 0.4)
    thin = BrainRegion(region.blocks & (np.arange(60)[:, None] == 30), BLOCK, 9, region.shape)
    assert fluid_and_bone(head, thin) == (0.0, 0.0)
