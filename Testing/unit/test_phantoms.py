"""The phantom itself: tests that rest on it rest on this."""

import nibabel
import numpy as np
import pytest

from Testing.phantoms import BRAIN_VOLUME_ML

VOLUME_TOLERANCE = 0.01


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "LPS", "PIR", "ASL"])
@pytest.mark.parametrize("spacing_mm", [(2.0, 2.0, 2.0), (1.0, 2.0, 3.0)])
@pytest.mark.parametrize("oblique_degrees", [0.0, 20.0])
def test_the_brain_has_its_volume_on_any_grid(phantom, orientation, spacing_mm, oblique_degrees):
    head = phantom(orientation, spacing_mm, oblique_degrees=oblique_degrees)
    voxel_ml = abs(np.linalg.det(head.affine[:3, :3])) / 1000
    assert head.brain_mask.sum() * voxel_ml == pytest.approx(BRAIN_VOLUME_ML, rel=VOLUME_TOLERANCE)
    assert "".join(nibabel.aff2axcodes(head.affine)) == orientation
    np.testing.assert_allclose(nibabel.affines.voxel_sizes(head.affine), spacing_mm)


def test_the_head_lies_still_when_the_grid_turns(phantom):
    head = phantom("LPS", oblique_degrees=20)
    centre = np.argwhere(head.brain_mask).mean(axis=0)
    np.testing.assert_allclose(nibabel.affines.apply_affine(head.affine, centre), 0, atol=0.5)
