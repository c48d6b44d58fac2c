"""Weights as plain arrays: half-precision `.npz`, read without pickle."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import WeightsError

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

    Raises
    ------
    WeightsError
        The file is not an archive of plain arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name].astype(np.float32) for name in archive.files}
    except (OSError, EOFError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise WeightsError(f"The weights '{path}' cannot be read ({error}).") from error


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
