"""Rigid alignment by the real SimpleITK, of made-up heads whose motion is known."""

import sys
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage
from scipy.spatial.transform import Rotation

from skullstrip.align import align
from skullstrip.errors import EngineError, InputError
from skullstrip.grid.volume import Volume
from skullstrip.prepare.intensity import scale_intensities
from Testing.phantoms import BRAIN_SEMI_AXES_MM, make_head

CORNERS_MM = np.array(np.meshgrid(*[(-r, r) for r in BRAIN_SEMI_AXES_MM])).reshape(3, -1)
PHANTOM_ERROR_MM, HEAD_ERROR_MM = 2.5, 1.5  # the made head has voxels of 3 mm


def motion(degrees, shift_mm):
    """Turn around an axis between all three, then shift, (4, 4)."""
    matrix = np.eye(4)
    axis = np.array([0.8, 0.5, -0.33])
    turn = Rotation.from_rotvec(degrees * axis / np.linalg.norm(axis), degrees=True)
    matrix[:3, :3], matrix[:3, 3] = turn.as_matrix(), shift_mm
    return matrix


def error_mm(found, true, corners=CORNERS_MM):
    """How far apart two motions take the corners of the brain's box, at most."""
    apart = found - true
    return np.linalg.norm(apart[:3, :3] @ corners + apart[:3, 3:], axis=0).max()


@pytest.fixture(scope="module")
def head():
    """A made head with folds, without which it looks alike from too many sides."""
    plain = make_head("RAS", (3.0, 3.0, 3.0))
    folds = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=plain.array.shape), 2.0)
    return replace(plain, array=plain.array + 15 * folds / folds.std() * plain.brain_mask)


def other_contrast(head, affine):
    """The head with bright fluid and dark fat, at another place."""
    return Volume(np.exp(-head.array / 40) * (head.array > 5), affine)


def scan_of(head):
    return Volume(head.array / 100, head.affine)


def test_a_known_motion_between_two_contrasts_is_found_twice_alike(head):
    true = motion(9.0, [8.0, -5.0, 10.0])
    other = other_contrast(head, true @ head.affine)
    found = align(scan_of(head), head.brain_mask, other)
    assert error_mm(found.matrix, true) < PHANTOM_ERROR_MM
    assert found.turned_degrees == pytest.approx(9.0, abs=1.0)
    assert found.moved_mm == pytest.approx(np.linalg.norm(true[:3, 3]), abs=0.7)
    again = align(scan_of(head), head.brain_mask, other)
    assert_allclose(again.matrix, found.matrix, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("degrees", "shift_mm"), [(0.0, [0.0, 34.0, 0.0]), (26.0, [0.0, 0, 0])])
def test_a_motion_that_no_head_makes_is_refused(head, degrees, shift_mm):
    other = other_contrast(head, motion(degrees, shift_mm) @ head.affine)
    with pytest.raises(InputError, match="more than 30 mm or 20 degrees"):
        align(scan_of(head), head.brain_mask, other)


def test_without_simpleitk_the_command_that_installs_it_is_named(head, monkeypatch):
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(EngineError, match=r"pip install \"skullstrip\[register\]\""):
        align(scan_of(head), head.brain_mask, scan_of(head))


@pytest.mark.slow
@pytest.mark.shared_data
def test_a_real_head_in_another_contrast_turned_and_shifted_comes_back(shared_data):
    image, brain = (
        nibabel.load(shared_data / "t1" / f"MRHead_{name}.nii.gz") for name in ("T1w", "mask")
    )
    mask = np.asarray(brain.dataobj) > 0
    array = scale_intensities(np.asarray(image.dataobj))
    inside = image.affine[:3, :3] @ np.argwhere(mask).T + image.affine[:3, 3:]
    true = motion(9.0, [8.0, -5.0, 10.0])
    centre = inside.mean(axis=1)
    true[:3, 3] += centre - true[:3, :3] @ centre
    other = Volume(np.exp(-2.5 * array) * (array > 0.08), true @ image.affine)
    found = align(Volume(array, image.affine), mask, other)
    assert error_mm(found.matrix, true, inside) < HEAD_ERROR_MM
