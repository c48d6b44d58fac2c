"""The state of an image is that of all its files; the hash decides where times differ."""

from __future__ import annotations

import os

import nrrd
import pytest

from skullstrip.batch.file_state import FileState
from Testing.image_files import voxels


@pytest.mark.parametrize(("encoding", "data"), [("raw", "T1.raw"), ("gzip", "T1.raw.gz")])
def test_the_data_file_that_a_nrrd_header_names_is_part_of_the_state(tmp_path, encoding, data):
    path = tmp_path / "T1.nhdr"
    nrrd.write(str(path), voxels(), {"encoding": encoding})
    state = FileState.of(path)
    assert state.size == path.stat().st_size + (tmp_path / data).stat().st_size
    (tmp_path / data).write_bytes(bytes((tmp_path / data).stat().st_size))
    os.utime(tmp_path / data, (2e9, 2e9))  # clocks may be too coarse to tell the two writes apart
    assert not state.still_holds(path)


def test_a_touched_file_still_holds_and_a_missing_one_does_not(tmp_path):
    path = tmp_path / "T1.nii"
    path.write_bytes(b"voxels")
    state = FileState.of(path)
    os.utime(path, (1, 1))
    assert state.still_holds(path)
    path.unlink()
    assert not state.still_holds(path)
