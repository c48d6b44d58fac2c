"""Weights as plain arrays: half-precision `.npz`, read without pickle."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import WeightsError
from .manifest import MAX_WEIGHTS_BYTES

_ARCHIVE_ERRORS = (
    *(OSError, EOFError, ValueError, AttributeError, zipfile.BadZipFile, zlib.error),
    *(KeyError, NotImplementedError, RuntimeError, SyntaxError, TypeError, OverflowError),
)  # what zipfile and NumPy raise on broken, encrypted and strangely compressed archives

if TYPE_CHECKING:
    import keras


def save_weights(model: keras.Model, path: str | Path) -> None:
    """Store every variable of a network under its path, in half precision."""
    write_weights({v.path: np.asarray(v.value, np.float32) for v in model.weights}, path)


def write_weights(arrays: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Store arrays by name, in half precision.

    The file's bytes depend on the weights alone, so that equal weights have equal hashes.

    Raises
    ------
    WeightsError
        A weight does not fit half precision.
    """
    halves = {}
    for name, array in arrays.items():
        with np.errstate(over="ignore"):
            halves[name] = array.astype(np.float16)
        if not np.isfinite(halves[name]).all():
            raise WeightsError(f"The weight '{name}' does not fit half precision.")
    with open(path, "wb") as stream:
        np.savez(stream, **halves)  # type: ignore[arg-type]


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Read arrays by name, as float32.

    Nothing is unpickled, and memory is asked for only after the archive's own list of contents
    has been held against the arrays' headers.

    Raises
    ------
    WeightsError
        The file is not an archive of plain arrays of finite numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _require_plain_arrays(archive)
        with np.load(path, allow_pickle=False) as arrays:
            weights = {name: arrays[name].astype(np.float32) for name in arrays.files}
    except _ARCHIVE_ERRORS as error:
        raise WeightsError(f"The weights '{path}' cannot be read ({error}).") from error
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise WeightsError(f"The weight '{name}' in '{path}' holds NaN or infinity.")
    return weights


def _require_plain_arrays(archive: zipfile.ZipFile) -> None:
    """Every member is an array of real numbers, as large as its header says and no larger."""
    members = archive.infolist()
    if sum(member.file_size for member in members) > MAX_WEIGHTS_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_WEIGHTS_BYTES:,} bytes")
    for member in members:
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            read_header = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read_header(stream)
            size = stream.tell() + math.prod(shape) * dtype.itemsize
        if dtype.kind != "f" or size != member.file_size:
            raise ValueError(f"'{member.filename}' is no plain array of real numbers")


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Set every variable of a network from a file; nothing may be missing, left over or misshapen.

    Raises
    ------
    WeightsError
        The file belongs to another network.
    """
    arrays = read_weights(path)
    expected = {variable.path: variable for variable in model.weights}
    if arrays.keys() != expected.keys():
        odd = sorted(arrays.keys() ^ expected.keys())
        raise WeightsError(f"The weights '{path}' are of another network ('{odd[0]}' differs).")
    for name, variable in expected.items():
        if arrays[name].shape != tuple(variable.shape):
            raise WeightsError(
                f"The weight '{name}' has shape {arrays[name].shape}, not {tuple(variable.shape)}."
            )
        variable.assign(arrays[name])
