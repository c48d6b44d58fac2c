"""Judging on scans painted from held-back maps; the network is a stand-in."""

import numpy as np
import pytest

from Testing.image_files import save
from Testing.small_sources import SPACING_MM, brain_array, label_array
from training.__main__ import run
from training.data.pair import HELD_BACK_SPLIT, Pair
from training.evaluation.synthetic import SCANS, synthetic_scan, synthetic_scans


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    """One adult and one infant that are the same small head, as `heads` writes them."""
    root = tmp_path_factory.mktemp("heads")
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    save(root / "labels.nii.gz", label_array().astype(np.int16), affine)
    save(root / "mask.nii.gz", brain_array().astype(np.uint8), affine)
    rows = [f"{group},{HELD_BACK_SPLIT},labels.nii.gz,mask.nii.gz,{group}" for group in SCANS]
    text = "\n".join(["subject,split,image,mask,age_group", *rows])
    (root / "MANIFEST.csv").write_text(text, encoding="utf-8")
    return root


def pair_of(heads, group):
    groups = (("age_group", group),)
    paths = heads / "labels.nii.gz", heads / "mask.nii.gz"
    return Pair(group, *paths, split=HELD_BACK_SPLIT, groups=groups)


def test_a_scan_is_the_same_each_time_and_its_mask_is_the_maps(heads):
    pair = pair_of(heads, "adult")
    (first, mask), (again, _) = (synthetic_scan(pair, "t1", 1.0) for _ in range(2))
    assert np.array_equal(first.array, again.array)
    assert np.array_equal(mask.sum(), brain_array().sum())
    assert np.isfinite(first.array).all()


def test_thick_slices_are_as_thick_as_their_name_says(heads):
    for scan, volume, mask in synthetic_scans([pair_of(heads, "infant")]):
        wanted = float(dict(scan.groups)["thickness_mm"])
        assert abs(volume.spacing_mm[2] - max(wanted, SPACING_MM)) <= SPACING_MM / 2
        assert mask.shape == volume.array.shape
        assert mask.any()


def test_the_command_reports_each_contrast_and_age_group(heads, stand_in, tmp_path):
    assert run("synthetic", str(heads), "--out", str(tmp_path), *stand_in) == 0
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    for group, scans in SCANS.items():
        assert f"| age group | {group} | {len(scans)} |" in report
        assert all(f"| contrast | {look} |" in report for look, _ in scans)
