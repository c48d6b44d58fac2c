"""Judged on spoilt phantoms and on scans painted from held-back maps; the network is a stand-in."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from skullstrip.errors import InputError
from skullstrip.grid.orientation import orientation_of, reorient_to_ras
from skullstrip.grid.regions import dice
from skullstrip.grid.volume import Volume
from Testing.image_files import save
from Testing.phantoms import make_head
from Testing.small_sources import SPACING_MM, brain_array, label_array
from training.__main__ import run
from training.data.pair import HELD_BACK_SPLIT, Pair
from training.evaluation.stress import PERTURBATIONS, choose_scans, spoil
from training.evaluation.synthetic import SCANS, synthetic_scan, synthetic_scans


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_scan_is_spoilt_more_with_strength_and_the_same_each_time(head, name):
    source, mask = head[0].array.copy(), head[1].copy()
    nothing, low, high, again = (spoil(*head, name, s, "s") for s in (0.0, 0.3, 1.0, 1.0))
    np.testing.assert_array_equal(head[0].array, source)
    np.testing.assert_array_equal(head[1], mask)
    assert nothing == head
    np.testing.assert_array_equal(high[0].array, again[0].array)
    assert (high[0].array.shape, high[1].dtype) == (high[1].shape, bool)
    assert np.isfinite(high[0].array).all()
    if low[0].array.shape != high[0].array.shape:
        assert high[0].array.size < low[0].array.size
        return
    what = "array" if np.array_equal(low[0].affine, high[0].affine) else "affine"
    changes = [np.abs(getattr(v, what) - getattr(head[0], what)).mean() for v, _ in (low, high)]
    assert changes[1] > changes[0] > 0


def test_a_turned_brain_keeps_its_volume_and_its_intensities(head):
    volume, mask = spoil(*head, "rotate", 1.0, "s")
    assert mask.sum() == pytest.approx(head[1].sum(), rel=0.01)
    assert dice(mask, head[1]) < 0.99
    assert volume.array[mask].mean() == pytest.approx(head[0].array[head[1]].mean(), rel=0.02)


def test_a_bias_field_is_smooth_and_positive(head):
    volume, _ = spoil(*head, "bias", 1.0, "s")
    bright = head[1] & (head[0].array > 30)
    ratio = volume.array[bright] / head[0].array[bright]
    assert ratio.min() > 1 / np.e - 0.01
    assert ratio.max() < np.e + 0.01
    assert ratio.max() / ratio.min() > 2


def test_noise_lifts_air_as_a_magnitude_image_does(head):
    volume, _ = spoil(*head, "noise", 0.5, "s")
    air = head[0].array < 5
    sigma = 0.5 * 0.2 * np.percentile(head[0].array, 99)
    assert volume.array[air].mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.15)
    assert volume.array.min() >= 0


def test_thick_slices_keep_the_brain_where_it_is(head):
    phantom = make_head("PIR", (2.0, 2.0, 2.0))
    volume, mask = spoil(Volume(phantom.array, phantom.affine), phantom.brain_mask,
                         "thick_slices", 1.0, "s")  # fmt: skip
    assert sorted(volume.spacing_mm) == pytest.approx([2, 2, 6])
    centre = volume.affine @ [*ndimage.center_of_mass(mask), 1]
    assert np.abs(centre[:3]).max() < 1  # the phantom's brain lies at the origin
    assert mask.sum() * volume.voxel_volume_ml == pytest.approx(1440, rel=0.02)


@pytest.mark.parametrize(("name", "axis"), [("crop_top", 2), ("crop_front", 1)])
@pytest.mark.parametrize("orientation", ["RAS", "PIR", "LPS"])
def test_a_crop_takes_the_named_side_of_the_brain(name, axis, orientation):
    phantom = make_head(orientation, (4.0, 4.0, 4.0))
    before = Volume(phantom.array, phantom.affine), phantom.brain_mask
    whole, left = (
        reorient_to_ras(Volume(mask, volume.affine))[0].array
        for volume, mask in (before, spoil(*before, name, 0.5, "s"))
    )
    lost = np.ptp(np.argwhere(whole), axis=0) - np.ptp(np.argwhere(left), axis=0)
    assert 4 * lost[axis] == pytest.approx(20, abs=4)
    assert np.take(left, -1, axis=axis).any()  # the field of view now ends inside the brain


def test_defacing_blanks_the_front_below_and_never_the_brain(head):
    volume, mask = spoil(*head, "deface", 1.0, "s")
    np.testing.assert_array_equal(volume.array[mask], head[0].array[mask])
    changed = (volume.array != head[0].array).astype(np.uint8)
    blank = reorient_to_ras(Volume(changed, volume.affine))[0].array
    front_below = blank[:, blank.shape[1] // 2 :, : blank.shape[2] // 2]
    back_above = blank[:, : blank.shape[1] // 2, blank.shape[2] // 2 :]
    assert front_below.mean() > 0.3
    assert not back_above.any()


def test_inverted_contrast_turns_the_ventricle_bright_and_leaves_air_dark(head):
    volume, mask = spoil(*head, "invert", 1.0, "s")
    fluid, white = (head[0].array < 20) & mask, (head[0].array > 62) & mask
    assert volume.array[fluid].mean() > 2 * volume.array[white].mean()
    assert volume.array[0, 0, 0] < 5


def test_a_wrong_header_lies_about_directions_or_size_and_keeps_voxels(head):
    lies = [spoil(*head, "wrong_header", strength, "s")[0] for strength in (0.3, 0.6, 1.0)]
    assert [orientation_of(volume.affine).codes for volume in lies] == ["PIL", "AIL", "IPL"]
    large, small = (spoil(*head, name, 1.0, "s")[0] for name in ("enlarge", "shrink"))
    np.testing.assert_allclose(large.spacing_mm, head[0].spacing_mm * 1.5)
    np.testing.assert_allclose(small.spacing_mm, head[0].spacing_mm / 1.5)
    for volume in (*lies, large, small):
        np.testing.assert_array_equal(volume.array, head[0].array)


def test_scans_are_taken_in_turn_from_each_data_set():
    names = [("a", i) for i in range(5)] + [("b", i) for i in range(2)]
    pairs = [Pair(f"{d}{i}", Path("i"), Path("m"), dataset=d) for d, i in names]
    assert [pair.subject for pair in choose_scans(pairs, 5)] == ["a0", "b0", "a1", "b1", "a2"]


def test_the_command_reports_each_strength_of_each_perturbation(phantom_data, stand_in, tmp_path):
    command = [str(phantom_data), "--split", "all", "-o", str(tmp_path)]
    assert run("stress", *command, "--only", "bias", "--strengths", "0.5", "1", *stand_in) == 0
    report = (tmp_path / "report.md").read_text()
    none, half, whole = (
        float(re.search(rf"\| {row} \| 2 \| ([\d.]+)", report)[1])
        for row in (r"none \| strength 0", r"bias \| strength 0.5", r"bias \| strength 1")
    )
    assert 1 >= none > half > whole


def test_an_unknown_perturbation_or_strength_is_refused(phantom_data):
    with pytest.raises(SystemExit):
        run("stress", str(phantom_data), "--only", "blur")
    with pytest.raises(InputError, match="between 0 and 1"):
        run("stress", str(phantom_data), "--strengths", "2")


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
