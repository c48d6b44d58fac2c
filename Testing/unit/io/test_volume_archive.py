"""Volumes and results in exchange files: exact, and refused when broken."""

from functools import partial

import numpy as np
import pytest

from skullstrip.errors import InputError
from skullstrip.grid.volume import Volume
from skullstrip.io.volume_archive import (
    read_arrays,
    read_mask,
    read_volume,
    write_arrays,
    write_volume,
)

AFFINE = np.array([[0, -1.5, 0, 3], [2, 0, 0.1, 4], [0, 0, 3, 5], [0, 0, 0, 1]], dtype=float)
READERS = (read_volume, read_mask, partial(read_arrays, least=2))


@pytest.mark.parametrize("dtype", ["u1", "<i2", "f4", "f8", "?"])
def test_what_is_handed_over_comes_back_bit_for_bit(tmp_path, dtype):
    array = (100 * np.random.default_rng(0).random((5, 6, 7))).astype(dtype).transpose(2, 1, 0)
    write_volume(tmp_path / "x.npy", Volume(array, AFFINE), array > 50)
    read = read_volume(tmp_path / "x.npy")
    pairs = [
        (read.array, array),
        (read.affine, AFFINE),
        (read_mask(tmp_path / "x.npy"), array > 50),
    ]
    given = [array > 50, array, array.astype(np.float32)]
    write_arrays(tmp_path / "y.npy", given)
    pairs += zip(read_arrays(tmp_path / "y.npy", 3), given, strict=True)
    for found, expected in pairs:
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


PICKLED = [np.array([object()], dtype=object), np.eye(4)]


@pytest.mark.parametrize("content", [None, b"", b"no arrays", PICKLED, [np.zeros(3)], "cut"])
def test_a_broken_file_is_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "x.npy"
    if isinstance(content, list):
        with path.open("wb") as file:
            for array in content:
                np.save(file, array)
    elif content == "cut":
        write_volume(path, Volume(np.zeros((5, 5, 5)), AFFINE), np.ones((5, 5, 5), bool))
        path.write_bytes(path.read_bytes()[:-1])
    elif content is not None:
        path.write_bytes(content)
    for read in READERS:
        with pytest.raises(InputError, match=r"x\.npy cannot be read"):
            read(path)
