"""The state of an image is that of all its files; the hash decides where times differ."""

import os

import nibabel
import nrrd
import pytest

from skullstrip.batch.records import FileState
from Testing.image_files import OBLIQUE, voxels


@pytest.mark.parametrize(("encoding", "data"), [("raw", "T1.raw"), ("gzip", "T1.raw.gz")])
def test_the_data_file_that_a_nrrd_header_names_is_part_of_the_state(tmp_path, encoding, data):
    path = tmp_path / "T1.nhdr"
    nrrd.write(str(path), voxels(), {"encoding": encoding})
    state = FileState.of(path)
    assert state.size == path.stat().st_size + (tmp_path / data).stat().st_size
    (tmp_path / data).write_bytes(bytes((tmp_path / data).stat().st_size))
    os.utime(tmp_path / data, (2e9, 2e9))  # clocks may be too coarse to tell the two writes apart
    assert not state.still_holds(path)


def test_spms_affine_beside_a_scan_is_part_of_the_state(tmp_path):
    nibabel.save(nibabel.Spm99AnalyzeImage(voxels(), OBLIQUE), tmp_path / "T1.hdr")
    state = FileState.of(tmp_path / "T1.hdr")
    assert state.still_holds(tmp_path / "T1.hdr")
    mat = tmp_path / "T1.mat"
    mat.write_bytes(mat.read_bytes()[:-1] + b"x")
    os.utime(mat, (2e9, 2e9))
    assert not state.still_holds(tmp_path / "T1.hdr")


def test_a_pair_in_capital_letters_holds(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(voxels(), OBLIQUE), tmp_path / "A.HDR")
    state = FileState.of(tmp_path / "A.HDR")
    assert state.size > (tmp_path / "A.HDR").stat().st_size, "the voxels are part of it"
    assert state.still_holds(tmp_path / "A.HDR")


def test_a_touched_file_still_holds_and_a_missing_one_does_not(tmp_path):
    path = tmp_path / "T1.nii"
    path.write_bytes(b"voxels")
    state = FileState.of(path)
    os.utime(path, (1, 1))
    assert state.still_holds(path)
    path.unlink()
    assert not state.still_holds(path)
