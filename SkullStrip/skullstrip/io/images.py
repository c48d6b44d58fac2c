"""Images in files: read with everything needed to write results that match them.

Formats are told by the file's ending, DICOM by its first bytes. nibabel, pynrrd and pydicom are
imported when a file is opened. The module of a format has a `Reader`, made by a file's header: its
`header`, `shape`, `dtype`, `affine` and `checks`, and `read`, which gives `stored`, `slope` and
`intercept` of an `Image`; and `write`, `can_store`, `geometry_of` and `files_read`.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..checks.input_checks import Check, require_volume
from ..errors import InputError, SkullStripError, reason_of
from ..grid.volume import spatial_axes
from .dicom_header import files_of_series, find_series, is_dicom
from .dicom_images import DicomHeader
from .dicom_images import Reader as DicomReader
from .limits import MAX_VOXELS_VARIABLE, lacks_content, max_voxels, require_file

NRRD_SUFFIXES = (".nrrd", ".nhdr")
WRITABLE_SUFFIXES = (
    *(".nii.gz", ".nii", ".mgz", ".mgh", ".img.gz", ".hdr.gz", ".img", ".hdr"),
    *NRRD_SUFFIXES,
)
MAX_AXES = 16  # NRRD's own limit; other formats have fewer
SINGLE_FILES = (".nii.gz", ".nii", ".mgz", ".mgh")
ANNEX_COMMANDS = {"datalad": ("datalad", "get"), "git-annex": ("git", "annex", "get")}
FALLBACK_SUFFIX = ".nii.gz"  # for inputs in formats that can be read but not written


@dataclass(frozen=True, eq=False)
class Image:
    """A scan as it lies in its file."""

    path: Path
    # Voxels in the file's own dtype, before slope and intercept, and in the file's own shape: three
    # axes of space, perhaps with axes of length one beside them.
    stored: np.ndarray
    slope: float  # a voxel's value is `stored * slope + intercept`
    intercept: float
    affine: np.ndarray  # float64, shape (4, 4); voxel index to RAS+ mm
    header: object  # the format's own header, to be written again
    checks: tuple[Check, ...]  # what was noticed about the header

    @property
    def name(self) -> str:
        """What it is called in reports and pictures; a DICOM folder's name may be the patient's."""
        return self.header.name if isinstance(self.header, DicomHeader) else self.path.name

    @property
    def array(self) -> np.ndarray:
        """Values, shape (I, J, K), native byte order; float32 where the file scales them."""
        volume = self.stored.reshape(self.stored.shape[spatial_axes(self.stored.shape)])
        if (self.slope, self.intercept) == (1.0, 0.0):
            return volume.astype(volume.dtype.newbyteorder("="), copy=False)
        # An absurd slope overflows to infinity, which the checks then name.
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = volume * np.float32(self.slope)
            return np.asarray(scaled + np.float32(self.intercept), dtype=np.float32)


def read_image(path: str | Path, *, series: int | None = None) -> Image:
    """Read a scan in any format that nibabel knows, NRRD, or DICOM, a folder or a file of a series.

    `series` is which one of a DICOM folder that holds several; ChoiceError lists them. Larger
    headers than `limits.max_voxels` are refused before memory is asked for. Raise InputError for
    a file that is missing, broken, no image, or not one 3-D volume of real numbers.
    """
    path = Path(path)
    try:
        if is_dicom(path):
            return _read(path, DicomReader(find_series(path, series)))
        if series is not None:
            raise InputError(f"{path} is not DICOM, so it has no series {series}; leave that out.")
        require_file(path)
        return _read(path, _format_of(path).Reader(path))
    except (SkullStripError, MemoryError):
        raise
    except Exception as error:  # parsers raise anything at all on what they cannot make sense of
        raise InputError(
            f"{path} cannot be read as an image ({reason_of(error)}); check its "
            "ending, or copy it again."
        ) from error


def _read(path: Path, reader: Any) -> Image:
    if len(reader.shape) > MAX_AXES:
        raise ValueError(f"it has {len(reader.shape):,} axes")
    require_volume(reader.shape[spatial_axes(reader.shape)], reader.dtype, str(path))
    if np.prod(reader.shape, dtype=float) > max_voxels():
        raise InputError(
            f"{path} claims {' x '.join(map(str, reader.shape))} voxels, more than the limit of "
            f"{max_voxels()}; repair its header, or set {MAX_VOXELS_VARIABLE} to a larger number."
        )
    stored, slope, intercept = reader.read()
    return Image(path, stored, slope, intercept, reader.affine, reader.header, reader.checks)


def write_mask(path: Path, image: Image, brain_mask: np.ndarray) -> None:
    """Write a bool mask (I, J, K) as uint8 0 and 1 on the image's grid and in its shape.

    Of the header the geometry alone is kept, here and in probabilities: texts and extensions may
    name the patient.
    """
    _write(path, image, brain_mask.astype(np.uint8))


def write_probability(path: Path, image: Image, brain_probability: np.ndarray) -> None:
    """Write probabilities (I, J, K) as float32 on the image's grid and in its shape."""
    _write(path, image, brain_probability.astype(np.float32))


def write_brain(path: Path, image: Image, brain_mask: np.ndarray) -> None:
    """Write the image with everything outside the mask (I, J, K) set to zero.

    Stored voxels inside the mask are kept bit for bit, with dtype, slope and intercept, unless
    these leave no stored value that is zero, or the output's format cannot hold them; then values
    are stored, as int32 or float32.
    """
    stored, scaling = image.stored.reshape(brain_mask.shape), (image.slope, image.intercept)
    with np.errstate(all="ignore"):  # not -intercept, which may be a negative zero
        zero = stored.dtype.type(0.0 - np.float64(image.intercept) / image.slope)
        is_zero = float(zero) * image.slope + image.intercept == 0.0
    if not (is_zero and _format_of(path).can_store(path, image.header, stored.dtype, scaling)):
        fits = scaling == (1.0, 0.0) and np.can_cast(stored.dtype, np.int32)
        stored = image.array.astype(np.int32 if fits else np.float32, copy=False)
        zero, scaling = stored.dtype.type(0), (1.0, 0.0)
    _write(path, image, np.where(brain_mask, stored, zero), image.header, scaling)


def _write(
    path: Path,
    image: Image,
    voxels: np.ndarray,
    header: object = None,
    scaling: tuple[float, float] = (1.0, 0.0),
) -> None:
    if header is None:
        header = _format(isinstance(image.header, dict)).geometry_of(image.header)
    voxels = voxels.reshape(image.stored.shape)
    _format_of(path).write(path, header, voxels, scaling, image.affine)


def _format_of(path: Path) -> Any:
    return _format(path.name.lower().endswith(NRRD_SUFFIXES))


def _format(is_nrrd: bool) -> Any:
    """Return the module that reads and writes NRRD, or the one for all that nibabel tells apart."""
    return import_module(".nrrd_images" if is_nrrd else ".nibabel_images", __package__)


def suffix_of(path: Path) -> str:
    """Return the ending that names the format, for example ".nii.gz"; "" when none is known."""
    name = path.name.lower()
    return next((suffix for suffix in WRITABLE_SUFFIXES if name.endswith(suffix)), "")


def files_of(path: Path) -> tuple[Path, ...]:
    """Return all files that are written under an image's name: a header brings its data file."""
    suffix = suffix_of(path)
    stem = path.name[: len(path.name) - len(suffix)]
    for pair in ((".hdr", ".img"), (".hdr.gz", ".img.gz"), (".nhdr", ".raw.gz")):
        if suffix in pair:
            return tuple(path.with_name(stem + ending) for ending in pair)
    return (path,)


def files_read(path: Path) -> tuple[Path, ...]:
    """Return all files that an image that is there consists of, its own first.

    Of a DICOM folder with several series, those of all.
    """
    if is_dicom(path):
        return files_of_series(path)
    found: tuple[Path, ...] = (path,)
    if suffix_of(path) not in SINGLE_FILES and path.is_file():
        with suppress(Exception):  # whoever reads the image says what is wrong with it
            found = _format_of(path).files_read(path)
    return found


def fetch(*paths: Path) -> None:
    """Have `datalad get`, or else `git annex get`, bring what is lacking of these images.

    Raise InputError where neither is installed, or the content did not come.
    """
    for file in dict.fromkeys(file for path in paths for file in (path, *files_of(path))):
        if not lacks_content(file):
            continue
        tool = next(filter(shutil.which, ANNEX_COMMANDS), None)
        if tool is None:
            raise InputError(
                f"{file} is not here, and neither DataLad nor git-annex is installed to get it."
            )
        command: list[str] = [*ANNEX_COMMANDS[tool], f"./{file.name}"]
        nobody = subprocess.DEVNULL  # to be asked for a password
        done = subprocess.run(  # noqa: S603
            command,
            cwd=file.parent,
            stdin=nobody,
            capture_output=True,
            errors="replace",
            check=False,
        )
        if done.returncode or lacks_content(file):
            said = " ".join((done.stderr or done.stdout).split())[-300:]
            raise InputError(f"{file} could not be fetched by {tool}: {said}")
