"""Weights files: plain arrays, equal bytes for equal weights, nothing misfitting goes in."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skullstrip.errors import WeightsError
from skullstrip.network.weights import read_weights, write_weights

ARRAYS = {"a/kernel": np.linspace(-2, 2, 12).reshape(3, 4), "b/bias": np.zeros(3)}


def test_weights_come_back_as_single_precision_of_half_precision(tmp_path: Path) -> None:
    write_weights(ARRAYS, tmp_path / "w.npz")
    found = read_weights(tmp_path / "w.npz")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == np.float32
        assert_array_equal(found[name], array.astype(np.float16).astype(np.float32))


def test_equal_weights_are_equal_files(tmp_path: Path) -> None:
    hashes = set()
    for name in ("one.npz", "two.npz"):
        write_weights(ARRAYS, tmp_path / name)
        hashes.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_a_weight_beyond_half_precision_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="a/kernel"):
        write_weights({"a/kernel": np.array([1e6])}, tmp_path / "w.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"nonsense"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read"):
        read_weights(tmp_path / "w.npz")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", evil=np.array([{"a": 1}], dtype=object))
    with pytest.raises(WeightsError):
        read_weights(tmp_path / "w.npz")
