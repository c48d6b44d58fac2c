"""Images in files: read with everything needed to write results that match them.

Formats are told by the file's ending. nibabel and pynrrd are imported when a file is opened.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..checks.input_checks import Check, check_dtype, check_shape, refuse
from ..errors import InputError, OutputError
from .limits import MAX_VOXELS_VARIABLE
from .limits import max_voxels as _max_voxels

NRRD_SUFFIXES = (".nrrd", ".nhdr")
WRITABLE_SUFFIXES = (
    *(".nii.gz", ".nii", ".mgz", ".mgh", ".img.gz", ".hdr.gz", ".img", ".hdr"),
    *NRRD_SUFFIXES,
)
FALLBACK_SUFFIX = ".nii.gz"  # for inputs in formats that can be read but not written
NO_ORIENTATION = Check(
    "no_orientation",
    "note",
    "The header names no orientation, so axes are assumed to run left, anterior and superior; "
    "check left and right.",
)
# What the parsers raise on files that are cut short or not what they claim to be.
_FILE_ERRORS = (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, OverflowError)
_DECODE_ERRORS = (zlib.error, struct.error, NotImplementedError)


@dataclass(frozen=True)
class Image:
    """A scan as it lies in its file.

    Parameters
    ----------
    path : Path
    stored : ndarray
        Voxels in the file's own dtype, before slope and intercept, and in the file's own shape:
        three axes of space, perhaps with axes of length one beside them.
    slope, intercept : float
        A voxel's value is `stored * slope + intercept`.
    affine : ndarray of float64, shape (4, 4)
        Voxel index to RAS+ mm.
    header : object
        The format's own header, to be written again.
    checks : tuple of Check
        What was noticed about the header.
    """

    path: Path
    stored: np.ndarray
    slope: float
    intercept: float
    affine: np.ndarray
    header: object
    checks: tuple[Check, ...]

    @property
    def array(self) -> np.ndarray:
        """Values, shape (I, J, K), native byte order; float32 where the file scales them."""
        volume = self.stored.reshape(spatial_shape(self.stored.shape))
        if (self.slope, self.intercept) == (1.0, 0.0):
            return volume.astype(volume.dtype.newbyteorder("="), copy=False)
        # An absurd slope overflows to infinity, which the checks then name.
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = volume * np.float32(self.slope)
            return np.asarray(scaled + np.float32(self.intercept), dtype=np.float32)


def read_image(path: str | Path, *, max_voxels: int | None = None) -> Image:
    """Read a scan in any format that nibabel knows, or NRRD.

    Parameters
    ----------
    path : path
    max_voxels : int, optional
        Larger headers are refused before memory is asked for; by default what
        `io_limits.max_voxels` says.

    Raises
    ------
    InputError
        The file is missing, broken, no image, or not one 3-D volume of real numbers.
    """
    path = Path(path)
    file_format = _format_of(path)
    limit = _max_voxels() if max_voxels is None else max_voxels
    try:
        _require_file(path)
        return _read(path, file_format, limit)
    except (*_FILE_ERRORS, *_DECODE_ERRORS, *file_format.read_errors()) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} cannot be read as an image ({reason}).") from error


def write_mask(path: Path, image: Image, brain_mask: np.ndarray) -> None:
    """Write a bool mask (I, J, K) as uint8 0 and 1 on the image's grid and in its shape."""
    stored = brain_mask.reshape(image.stored.shape).astype(np.uint8)
    _write(path, image, stored, (1.0, 0.0))


def write_probability(path: Path, image: Image, brain_probability: np.ndarray) -> None:
    """Write probabilities (I, J, K) as float32 on the image's grid and in its shape."""
    stored = brain_probability.reshape(image.stored.shape).astype(np.float32)
    _write(path, image, stored, (1.0, 0.0))


def write_brain(path: Path, image: Image, brain_mask: np.ndarray) -> None:
    """Write the image with everything outside the mask (I, J, K) set to zero.

    Stored voxels inside the mask are kept bit for bit, with dtype, slope and intercept, unless
    the output's format cannot hold those; then values are stored, as int32 or float32.
    """
    stored, scaling = image.stored, (image.slope, image.intercept)
    if not _format_of(path).can_store(path, stored.dtype, scaling, image.header):
        fits = scaling == (1.0, 0.0) and np.can_cast(stored.dtype, np.int32)
        values = image.array.astype(np.int32 if fits else np.float32, copy=False)
        stored, scaling = values.reshape(stored.shape), (1.0, 0.0)
    outside = stored.dtype.type(stored_zero(stored.dtype, *scaling))
    _write(path, image, np.where(brain_mask.reshape(stored.shape), stored, outside), scaling)


def stored_zero(dtype: np.dtype, slope: float, intercept: float) -> float:
    """The stored value whose scaled value is 0, or comes closest to it in this dtype."""
    exact = 0.0 - intercept / slope  # not -intercept: that would store a negative zero
    if dtype.kind == "f":
        return exact
    limits = np.iinfo(dtype)
    nearest = round(min(max(exact, float(limits.min)), float(limits.max)))
    return min(max(nearest, int(limits.min)), int(limits.max))


def spatial_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without the axes of length one that make a 3-D volume 4-D or more.

    Trailing axes go first (one frame), then leading ones (one colour, as NRRD may have).
    """
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    while len(shape) > 3 and shape[0] == 1:
        shape = shape[1:]
    return shape


def suffix_of(path: Path) -> str:
    """The ending that names the format, for example ".nii.gz"; "" when it is not a known one."""
    name = path.name.lower()
    return next((suffix for suffix in WRITABLE_SUFFIXES if name.endswith(suffix)), "")


def require_image_suffix(path: Path) -> None:
    """Refuse an output whose ending names no format that can be written.

    Raises
    ------
    OutputError
    """
    if not suffix_of(path):
        raise OutputError(
            f"{path} names no image format; use one of {', '.join(WRITABLE_SUFFIXES)}."
        )


def files_of(path: Path) -> tuple[Path, ...]:
    """All files that are written under an image's name: a header brings its data file."""
    suffix = suffix_of(path)
    stem = path.name[: len(path.name) - len(suffix)]
    for pair in ((".hdr", ".img"), (".hdr.gz", ".img.gz"), (".nhdr", ".raw.gz")):
        if suffix in pair:
            return tuple(path.with_name(stem + ending) for ending in pair)
    return (path,)


def files_read(path: Path) -> tuple[Path, ...]:
    """All files that an image that is there consists of: a NRRD header names its data file."""
    if suffix_of(path) not in NRRD_SUFFIXES or not path.is_file():
        return files_of(path)
    from .nrrd_voxels import data_file_of

    named = data_file_of(path)
    return (path,) if named is None else (path, named)


def _require_file(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise InputError(f"{path} is a link to a file that is not there; fetch that file first.")
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise InputError(f"{path} {what}; give an image file.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty; copy or export it again.")


def _read(path: Path, file_format: Any, max_voxels: int) -> Image:
    reader = file_format.Reader(path)
    refuse([*check_shape(spatial_shape(reader.shape)), *check_dtype(reader.dtype)])
    if np.prod(reader.shape, dtype=float) > max_voxels:
        raise InputError(
            f"{path} claims {' x '.join(map(str, reader.shape))} voxels, more than the limit of "
            f"{max_voxels}; repair its header, or set {MAX_VOXELS_VARIABLE} to a larger number."
        )
    stored, slope, intercept = reader.read()
    missing = () if reader.has_orientation else (NO_ORIENTATION,)
    checks = (*missing, *reader.checks)
    return Image(path, stored, slope, intercept, reader.affine, reader.header, checks)


def _write(path: Path, image: Image, stored: np.ndarray, scaling: tuple[float, float]) -> None:
    _format_of(path).write(path, stored, scaling, image.affine, image.header)


def _format_of(path: Path) -> Any:
    """The module that reads and writes this ending; nibabel tells its own formats apart."""
    name = "nrrd_images" if path.name.lower().endswith(NRRD_SUFFIXES) else "nibabel_images"
    return import_module(f".{name}", __package__)
