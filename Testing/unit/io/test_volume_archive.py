"""Volumes and results in exchange files: exact, and refused when broken."""

import numpy as np
import pytest

from skullstrip.errors import InputError
from skullstrip.grid.volume import Volume
from skullstrip.io.volume_archive import (
    Extracted,
    read_extracted,
    read_mask,
    read_volume,
    write_extracted,
    write_volume,
)

AFFINE = np.array([[0, -1.5, 0, 3], [2, 0, 0.1, 4], [0, 0, 3, 5], [0, 0, 0, 1]], dtype=float)


@pytest.mark.parametrize("dtype", ["u1", "<i2", "f4", "f8", "?"])
def test_a_volume_comes_back_bit_for_bit(tmp_path, dtype):
    array = (100 * np.random.default_rng(0).random((5, 6, 7))).astype(dtype)
    write_volume(tmp_path / "x.npy", Volume(array.transpose(2, 1, 0), AFFINE))
    read = read_volume(tmp_path / "x.npy")
    assert read.array.dtype == array.dtype
    assert np.array_equal(read.array, array.transpose(2, 1, 0))
    assert np.array_equal(read.affine, AFFINE)


@pytest.mark.parametrize("has_confidence", [True, False])
def test_a_result_comes_back_bit_for_bit(tmp_path, has_confidence):
    probability = np.random.default_rng(0).random((4, 5, 6), dtype=np.float32)
    confidence = 1 - probability if has_confidence else None
    write_extracted(tmp_path / "x.npy", Extracted(probability > 0.5, probability, confidence))
    read = read_extracted(tmp_path / "x.npy")
    assert read.brain_mask.dtype == bool
    assert np.array_equal(read.brain_mask, probability > 0.5)
    assert np.array_equal(read.brain_probability, probability)
    assert (read.brain_confidence is None) or np.array_equal(read.brain_confidence, confidence)
    assert (read.brain_confidence is not None) is has_confidence


PICKLED = [np.array([object()], dtype=object), np.eye(4)]


@pytest.mark.parametrize("content", [None, b"", b"no arrays", PICKLED, [np.zeros(3)]])
def test_a_broken_file_is_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "x.npy"
    if isinstance(content, list):
        with path.open("wb") as file:
            for array in content:
                np.save(file, array)
    elif content is not None:
        path.write_bytes(content)
    for read in (read_volume, read_mask, read_extracted):
        with pytest.raises(InputError, match=r"x\.npy cannot be read"):
            read(path)


def test_a_file_that_was_cut_short_is_refused(tmp_path):
    path = tmp_path / "x.npy"
    write_volume(path, Volume(np.zeros((5, 5, 5)), AFFINE))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="cannot be read"):
        read_volume(path)
