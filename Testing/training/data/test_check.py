import csv
from dataclasses import replace

import numpy as np
import pytest

from training.__main__ import run
from training.data.check import check_pair, tilt_degrees
from training.data.pair import Pair


def pair_with(tmp_path, nifti, head, mask):
    volume, _ = head
    image = nifti(tmp_path / "s.nii.gz", volume.array, volume.affine)
    return Pair("s", image, nifti(tmp_path / "s_mask.nii.gz", mask, volume.affine))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (np.zeros_like, "empty mask"),
        (lambda mask: mask * np.where(np.arange(len(mask)) % 2, 2.0, 1)[:, None, None], "values"),
        (lambda mask: np.roll(mask, 14, axis=1), "outside the head"),
        (lambda mask: mask & (np.arange(len(mask)) < 12)[:, None, None], "no human brain"),
        (lambda mask: mask | (np.indices(mask.shape).sum(0) < 6), "loose pieces"),
    ],
)
def test_a_faulty_mask_is_reported(tmp_path, nifti, head, change, problem):
    finding, *_ = check_pair(pair_with(tmp_path, nifti, head, change(head[1])))
    assert problem in finding["problems"]


def test_a_mask_on_another_grid_and_a_file_that_is_not_its_hash_are_reported(tmp_path, nifti, head):
    volume, mask = head
    pair = replace(pair_with(tmp_path, nifti, head, mask), image_sha256="0" * 64)
    moved = volume.affine.copy()
    moved[0, 3] += 5
    nifti(pair.mask, mask, moved)
    finding, *_ = check_pair(pair)
    for problem in ("another grid", "5 mm apart", "s.nii.gz differs from its hash"):
        assert problem in finding["problems"]


def test_tilt_is_the_largest_angle_to_an_anatomical_axis():
    angle = np.deg2rad(20)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert tilt_degrees(affine) == pytest.approx(20)


def test_the_command_writes_a_table_without_problems_and_a_picture_of_good_scans(
    phantom_data, tmp_path
):
    from PIL import Image

    assert run("check", str(phantom_data), "-o", str(tmp_path)) == 0
    with open(tmp_path / "check.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    names = ("scan", "orientation", "spacing_mm", "shape", "problems")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("one", "RAS", "4x4x4", "50x60x50", ""), ("two", "PIR", "4x4x4", "60x50x50", ""),
    ]  # fmt: skip
    assert [float(row["brain_ml"]) for row in rows] == pytest.approx([1440, 1440], rel=0.02)
    with Image.open(tmp_path / "contact_sheet.png") as picture:
        assert picture.width > 900
        colours = {colour for _, colour in picture.getcolors(1 << 20)}
    assert (90, 220, 120) in colours  # the outline


def test_the_command_fails_on_a_faulty_data_set(tmp_path, nifti, head, capsys):
    pair = pair_with(tmp_path, nifti, head, np.zeros_like(head[1]))
    words = [str(tmp_path), "-o", str(tmp_path / "out")]
    assert run("check", *words) == 1
    assert "s: empty mask" in capsys.readouterr().out
    pair.image.write_bytes(b"no image")  # a row, and no crash
    assert run("check", *words) == 1
    assert "cannot be read" in (tmp_path / "out" / "check.csv").read_text()
