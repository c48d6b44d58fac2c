"""What a scan looks like before a run: a head in silence; mask, CT and stripped scan named."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from SkullStripLib.looks import check_looks
from Testing.phantoms import make_head

VOXEL_ML = 0.027


@pytest.fixture(scope="module")
def head():
    return make_head(spacing_mm=(3.0, 3.0, 3.0))


def codes(array: np.ndarray) -> list[str]:
    return [check.code for check in check_looks(array, VOXEL_ML)]


def test_a_head_is_passed_over_in_silence(head) -> None:
    assert codes(head.array) == []
    assert codes(head.array.astype(np.int16)) == []
    assert codes(np.where(head.array < 5, 0, head.array)) == []  # background set to zero


def test_a_mask_a_ct_and_a_stripped_scan_are_told_apart(head) -> None:
    assert codes(head.brain_mask.astype(np.uint8)) == ["looks_like_mask"]
    assert codes(head.array - 1000) == ["looks_like_ct"]
    assert codes(np.where(head.brain_mask, head.array, 0)) == ["looks_stripped"]


def test_values_that_are_not_finite_are_left_out(head) -> None:
    array = head.array.copy()
    array[::2] = np.nan
    assert codes(array) == []


@pytest.mark.slow
def test_no_real_head_is_taken_for_something_else(shared_data) -> None:
    found = {}
    for path in sorted((shared_data / "t1").glob("*_T1w.nii.gz")):
        image = nibabel.load(path)
        voxel_ml = abs(np.linalg.det(image.affine[:3, :3])) / 1000
        if checks := check_looks(np.asarray(image.dataobj), voxel_ml):
            found[path.name] = checks[0].message
    assert found == {}


@pytest.mark.slow
def test_real_heads_that_were_stripped_are_recognised(shared_data) -> None:
    for name in ("MRHead", "petdeface01"):
        scan = nibabel.load(shared_data / "t1" / f"{name}_T1w.nii.gz")
        mask = np.asarray(nibabel.load(shared_data / "t1" / f"{name}_mask.nii.gz").dataobj) > 0
        voxel_ml = abs(np.linalg.det(scan.affine[:3, :3])) / 1000
        array = np.asarray(scan.dataobj)
        stripped = np.where(mask, array, array.dtype.type(0))
        assert [check.code for check in check_looks(stripped, voxel_ml)] == ["looks_stripped"]
