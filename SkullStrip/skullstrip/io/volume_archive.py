"""The files through which a caller and its child process hand volumes over.

NumPy archives without compression: quick, exact, and readable where no image library is installed,
as in Slicer's own process.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..grid.volume import Volume


@dataclass(frozen=True)
class Extracted:
    """What a child process found."""

    brain_mask: np.ndarray  # bool, shape (I, J, K)
    brain_probability: np.ndarray  # float32, shape (I, J, K); in [0, 1]
    # float32, shape (I, J, K); in [0, 1]; where it was asked for.
    brain_confidence: np.ndarray | None = None


def write_volume(path: Path, volume: Volume, brain_mask: np.ndarray | None = None) -> None:
    """Write voxels (I, J, K) and affine (4, 4), perhaps a mask, too; `path` ends in .npz."""
    mask = {} if brain_mask is None else {"brain_mask": brain_mask.astype(np.uint8)}
    np.savez(path, array=volume.array, affine=volume.affine, **mask)  # type: ignore[arg-type]


def read_volume(path: Path) -> Volume:
    """Read what `write_volume` wrote; raise InputError where it is missing or broken."""
    content = _read(path, ("array", "affine"))
    return Volume(content["array"], content["affine"])


def read_mask(path: Path) -> np.ndarray:
    """Read the mask that `write_volume` wrote, bool (I, J, K); InputError where there is none."""
    return _read(path, ("brain_mask",))["brain_mask"].astype(bool)


def write_extracted(path: Path, extracted: Extracted) -> None:
    """Write mask, probability and confidence; `path` ends in .npz."""
    arrays = {
        "brain_mask": extracted.brain_mask.astype(np.uint8),
        "brain_probability": extracted.brain_probability.astype(np.float32),
    }
    if extracted.brain_confidence is not None:
        arrays["brain_confidence"] = extracted.brain_confidence.astype(np.float32)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def read_extracted(path: Path) -> Extracted:
    """Read what `write_extracted` wrote; raise InputError where it is missing or broken."""
    content = _read(path, ("brain_mask", "brain_probability"), ("brain_confidence",))
    content["brain_mask"] = content["brain_mask"].astype(bool)
    return Extracted(**content)


def _read(
    path: Path, names: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            there = [name for name in optional if name in archive]
            return {name: archive[name] for name in (*names, *there)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read as an volume handed over ({error}).") from error
