"""What a batch finds and has not made stays; with real workers and the real network."""

import csv
import hashlib

import nibabel
import numpy as np
import pytest

from skullstrip.cli.main import main
from Testing.image_files import assert_one_sentence, names, save_head
from training.data.dataset import find_pairs


@pytest.fixture
def scans(tmp_path):
    """A folder with a scan."""
    return save_head(tmp_path / "in" / "T1.nii.gz").parent


def batch(*words):
    return main(["batch", *map(str, words), "--jobs", "1"])


def table(out):
    with (out / "results.csv").open(newline="", encoding="utf-8") as stream:
        return {row["name"]: row for row in csv.DictReader(stream)}


@pytest.mark.slow
def test_a_mask_corrected_by_hand_survives_the_batch_until_overwrite(tmp_path, scans, capsys):
    out, mask = tmp_path / "out", tmp_path / "out" / "T1_brain_mask.nii.gz"
    assert batch(scans, out) == 0
    made = nibabel.load(mask)
    array = np.asarray(made.dataobj).copy()
    array[: array.shape[0] // 2] = 0
    nibabel.save(nibabel.Nifti1Image(array, made.affine), mask)
    by_hand, picture = mask.read_bytes(), (out / "qc" / "T1.png").read_bytes()
    capsys.readouterr()
    assert batch(scans, out, "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("(mask corrected by hand, kept)")
    assert lines[1] == "0 of 1 scans would be stripped."
    for words in ([], ["--border", "2"], ["--redo", "check"]):
        capsys.readouterr()
        assert batch(scans, out, *words) == 0
        assert mask.read_bytes() == by_hand
        row = table(out)["T1"]
        assert (row["status"], row["verdict"]) == ("corrected", "")
        assert row["mask_sha256"] == hashlib.sha256(by_hand).hexdigest()
        assert float(row["volume_ml"]) == pytest.approx(np.count_nonzero(array) * 0.064, abs=1e-3)
        assert "corrected 1" in capsys.readouterr().out
        assert '"corrected"' in (out / "report.html").read_text()
    assert [pair.mask for pair in find_pairs(out)] == [mask]  # what training takes
    brain = np.asarray(nibabel.load(out / "T1_brain.nii.gz").dataobj)
    assert not brain[: array.shape[0] // 2].any()
    assert (out / "qc" / "T1.png").read_bytes() != picture
    assert batch(scans, out, "--overwrite") == 0
    assert table(out)["T1"]["status"] == "done"
    assert mask.read_bytes() != by_hand


@pytest.mark.slow
def test_a_file_of_somebody_else_is_not_replaced(scans, capsys):
    theirs = scans / "T1_brain_mask.nii.gz"
    theirs.write_bytes(b"by FSL's bet")
    for _ in range(2):  # it is never taken for a correction of ours
        assert batch(scans, scans) == 1
        assert theirs.read_bytes() == b"by FSL's bet"
        assert "T1_brain.nii.gz" not in names(scans)
        message = table(scans)["T1"]["message"]
        assert "was there already or was changed since, and is kept" in message
    assert batch(scans, scans, "--overwrite") == 0
    assert nibabel.load(theirs).shape == nibabel.load(scans / "T1.nii.gz").shape


@pytest.mark.parametrize("name", ["results.csv", "report.html"])
def test_a_table_or_page_of_somebody_else_is_not_replaced(tmp_path, scans, capsys, name):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("path\nT1.nii.gz\n")
    for _ in range(2):
        assert batch(scans, out) == 2
        assert_one_sentence(capsys.readouterr().err)
    assert names(out) == [name]


def test_the_table_of_the_scans_is_not_replaced_by_that_of_the_results(scans, capsys):
    (scans / "results.csv").write_text("path\nT1.nii.gz\n")
    assert batch(scans / "results.csv", scans, "--overwrite") == 2
    assert_one_sentence(capsys.readouterr().err)
    assert (scans / "results.csv").read_text() == "path\nT1.nii.gz\n"
