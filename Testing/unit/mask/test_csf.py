"""Fluid around a brain is taken off, fluid within it stays, whatever the contrast."""

import numpy as np
import pytest
from scipy import ndimage

from skullstrip.io.images import read_image
from skullstrip.mask.csf import without_outer_csf
from Testing.phantoms import make_head
from training.evaluation.metrics import dice

FLUID_MM = 5.0
PHANTOM_DICE = 0.99
REAL_DICE = 0.95  # of 20 label maps painted with noise, blur and a bias of 25 %: 0.952 at least
KEPT_VENTRICLES = 0.85
GREY, WHITE, FLUID = 0.52, 0.70, 0.18
VENTRICLES = (4, 5, 14, 15, 43, 44)
OUTER_FLUID = 24
WHITE_LABELS = (2, 41, 7, 46, 16, 28, 60)


def head_in_fluid(spacing_mm):
    """Scan, affine, mask with fluid, and mask without."""
    head = make_head("PIR", spacing_mm)
    depth = ndimage.distance_transform_edt(head.brain_mask, sampling=spacing_mm)
    fluid = head.brain_mask & (depth <= FLUID_MM)
    array = np.where(fluid, np.float32(15.0), head.array)
    return array, head.affine, head.brain_mask, head.brain_mask & ~fluid


@pytest.mark.parametrize("spacing_mm", [(2.0, 2.0, 2.0), (1.5, 2.0, 4.0)])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_fluid_around_goes_and_the_ventricle_stays(spacing_mm, sign):
    array, affine, mask, tissue = head_in_fluid(spacing_mm)
    found = without_outer_csf(mask, sign * array, affine)
    assert dice(found, tissue) > PHANTOM_DICE
    assert not (found & ~mask).any()


def test_values_that_do_not_differ_leave_the_mask_as_it_is():
    head = make_head(spacing_mm=(3.0, 3.0, 3.0))
    flat = np.ones_like(head.array)
    np.testing.assert_array_equal(
        without_outer_csf(head.brain_mask, flat, head.affine), head.brain_mask
    )


def test_integers_and_nan_are_taken():
    array, affine, mask, tissue = head_in_fluid((3.0, 3.0, 3.0))
    array[::9, ::9] = np.nan
    assert dice(without_outer_csf(mask, array, affine), tissue) > 0.97
    whole = np.nan_to_num(array).astype(np.int16)
    assert dice(without_outer_csf(mask, whole, affine), tissue) > 0.97


def painted(labels, inverted, seed):
    """A T1-like image of a label map, or its negative, with a bias of 25 % and noise of 3 %."""
    rng = np.random.default_rng(seed)
    means = np.full(600, GREY)
    means[list(WHITE_LABELS)] = WHITE
    means[[*VENTRICLES, OUTER_FLUID]] = FLUID
    means[0] = 0
    means = 0.95 - means if inverted else means
    image = ndimage.gaussian_filter(means[labels].astype(np.float32), 0.6)
    field = ndimage.zoom(rng.normal(0, 1, (4, 4, 4)), np.array(labels.shape) / 4, order=3)
    image *= 1 + 0.25 * field / np.abs(field).max()
    return image + rng.normal(0, 0.03, labels.shape).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("inverted", [False, True])
def test_whole_heads_painted_from_label_maps(shared_data, inverted):
    folder = shared_data / "labelmaps"
    for name in ("A03", "A08", "A12"):
        labels = read_image(folder / f"{name}_labels.nii.gz").array.astype(int)
        mask = read_image(folder / f"{name}_mask.nii.gz").array > 0
        found = without_outer_csf(mask, painted(labels, inverted, 1), np.eye(4))
        tissue = mask & (labels != OUTER_FLUID)
        assert dice(found, tissue) > max(REAL_DICE, dice(mask, tissue)), name
        ventricles = mask & np.isin(labels, VENTRICLES)
        assert found[ventricles].mean() > KEPT_VENTRICLES, name
