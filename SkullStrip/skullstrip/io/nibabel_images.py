"""NIfTI, MGH and Analyze through nibabel, with voxels kept exactly as they are stored."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..checks.header import position_checks, scaled, spacing_checks, unit_findings
from ..checks.input_checks import Check
from ..errors import InputError
from .limits import MAX_HEADER_BYTES, HeaderStream, max_voxels, require_bytes, verify_rest

_LARGEST_ITEM_BYTES = 32  # complex256

_UNITS = {1: "meter", 2: "mm", 3: "micron"}  # NIfTI's codes; the bits above are of time


def read_errors() -> tuple[type[Exception], ...]:
    """What nibabel raises on a file that it cannot make sense of."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.freesurfer.mghformat import MGHError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    return (ImageFileError, HeaderDataError, MGHError, WrapStructError)


class Reader:
    """An opened file: its header is read, its voxels are not.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
        As stored.
    affine : ndarray of float64, shape (4, 4)
    has_orientation : bool
        False when the header names none, so that the affine is nibabel's default.
    checks : tuple of Check
        What the header says against itself.
    header : nibabel header
    """

    def __init__(self, path: Path) -> None:
        with _quiet():
            image: Any = _load(path)
        self._image = image
        self.header = image.header
        self.shape = tuple(int(size) for size in image.shape)
        self.dtype = np.dtype(image.get_data_dtype())
        self.affine = np.asarray(image.affine, dtype=np.float64)
        self.has_orientation = _has_orientation(image)
        factor, self.checks = _space_checks(self.header, self.shape, self.affine)
        self.affine = scaled(self.affine, factor)

    def read(self) -> tuple[np.ndarray, float, float]:
        """Stored voxels, and the slope and intercept that turn them into values."""
        from nibabel.arrayproxy import ArrayProxy

        proxy = self._image.dataobj
        if type(proxy) is not ArrayProxy:  # formats whose scaling may differ between slices
            return np.asarray(proxy), 1.0, 0.0
        path = Path(self._image.file_map["image"].filename)
        return _stored_voxels(path, proxy), float(proxy.slope), float(proxy.inter)


def _load(path: Path) -> Any:
    """As `nibabel.load`, but a header gets no more than a header's worth of memory.

    Raises
    ------
    InputError
        It is a format of surfaces, or of anything but voxels in space.
    ImageFileError
        It is of no known format.
    """
    from nibabel.analyze import AnalyzeImage
    from nibabel.filebasedimages import ImageFileError
    from nibabel.freesurfer.mghformat import MGHImage
    from nibabel.imageclasses import all_image_classes
    from nibabel.spatialimages import SpatialImage

    sniff = None
    for image_class in all_image_classes:
        fits, sniff = image_class.path_maybe_image(path, sniff)
        if not fits:
            continue
        if not issubclass(image_class, SpatialImage):
            raise InputError(f"{path} holds no image but a {image_class.__name__}; give a scan.")
        if issubclass(image_class, (AnalyzeImage, MGHImage)):
            return _load_header(image_class, path)
        return image_class.from_filename(path)
    raise ImageFileError("it is of no known image format")


def _load_header(image_class: Any, path: Path) -> Any:
    from nibabel.openers import ImageOpener

    file_map = image_class.filespec_to_file_map(path)
    furthest = MAX_HEADER_BYTES + max_voxels() * _LARGEST_ITEM_BYTES
    with ExitStack() as stack:
        for holder in file_map.values():
            if Path(holder.filename).is_file():
                stream = HeaderStream(ImageOpener(holder.filename), furthest)
                holder.fileobj = stack.enter_context(stream)
        return image_class.from_file_map(file_map)


def _stored_voxels(path: Path, proxy: Any) -> np.ndarray:
    """Voxels as they lie in a file, which is read to its end to verify its checksum.

    Never mapped into memory: the file may change or vanish while we work.
    """
    from nibabel.openers import ImageOpener
    from nibabel.volumeutils import array_from_file

    if proxy.offset > MAX_HEADER_BYTES:
        raise ValueError(f"the voxels begin at byte {proxy.offset:,}, behind any header")
    with ImageOpener(str(path)) as file:
        is_plain = isinstance(file.fobj, io.BufferedReader)
        if is_plain or path.suffix.lower() in (".gz", ".mgz"):
            size = proxy.offset + int(np.prod(proxy.shape, dtype=object)) * proxy.dtype.itemsize
            require_bytes(path, size, compressed=not is_plain)
        stored: np.ndarray = array_from_file(
            proxy.shape, proxy.dtype, file, proxy.offset, proxy.order, mmap=False
        )
        if not is_plain:
            verify_rest(file.fobj)
    return stored


def write(
    path: Path,
    stored: np.ndarray,
    scaling: tuple[float, float],
    affine: np.ndarray,
    source_header: object,
) -> None:
    """Write stored voxels with their slope and intercept, on the source's grid.

    `source_header` is used again where the format allows, so that sform, qform, their codes,
    units and extensions stay bit for bit; otherwise the affine is all that is kept.
    """
    import nibabel

    image_class = _image_class(path, source_header)
    header = _header_for(image_class.header_class, source_header)
    is_new = header is None
    header = image_class.header_class() if is_new else header
    if not is_new and "xyzt_units" in header:
        affine = header.get_best_affine()  # in the header's own unit
    if image_class is nibabel.MGHImage:  # which tells no frames from one frame
        stored = stored.reshape(stored.shape[:3])
    if header.get_data_shape() != stored.shape:  # MGH forgets its spacing with its shape
        header.set_data_shape(stored.shape)
    header.set_data_dtype(stored.dtype)
    if "cal_max" in header:  # the display range of the source's values
        header["cal_min"] = header["cal_max"] = 0
    with _quiet():
        image = image_class(stored, affine, header)
        if is_new and "sform_code" in header:
            image.set_sform(affine, code="scanner")
            image.set_qform(affine, code="scanner")
            image.header.set_xyzt_units("mm")
        holds_slope, holds_intercept = _holds_scaling(header)
        if holds_slope:
            image.header.set_slope_inter(scaling[0], scaling[1] if holds_intercept else None)
        nibabel.save(image, path)


def can_store(path: Path, dtype: np.dtype, scaling: tuple[float, float], header: object) -> bool:
    """Whether the format of `path` holds this dtype with this slope and intercept."""
    blank: Any = _image_class(path, header).header_class()
    holds_slope, holds_intercept = _holds_scaling(blank)
    if (scaling[0] != 1.0 and not holds_slope) or (scaling[1] != 0.0 and not holds_intercept):
        return False
    try:
        blank.set_data_dtype(dtype)
    except read_errors():
        return False
    return True


def _image_class(path: Path, source_header: object) -> Any:
    """The nibabel class for this ending, of the source's own kind where there is a choice."""
    import nibabel

    name = path.name.lower()
    second = isinstance(source_header, nibabel.Nifti2Header)
    if name.endswith((".mgh", ".mgz")):
        return nibabel.MGHImage
    if name.endswith((".nii", ".nii.gz")):
        return nibabel.Nifti2Image if second else nibabel.Nifti1Image
    if type(source_header) is nibabel.AnalyzeImage.header_class:
        return nibabel.AnalyzeImage
    # SPM's variants too: they would bring a .mat file, perhaps over one that is somebody else's.
    return nibabel.Nifti2Pair if second else nibabel.Nifti1Pair


def _header_for(header_class: Any, source: Any) -> Any:
    """A copy of the source's header for another file of its family, else None."""
    from nibabel.nifti1 import Nifti1Header

    if type(source) is header_class:
        return source.copy()
    if isinstance(source, Nifti1Header) and issubclass(header_class, Nifti1Header):
        return header_class(source.binaryblock, source.endianness, check=False)
    return None


def _holds_scaling(header: Any) -> tuple[bool, bool]:
    """Whether a header has a slope, and an intercept."""
    return (
        getattr(header, "has_data_slope", False),
        getattr(header, "has_data_intercept", False),
    )


def _space_checks(
    header: Any, shape: tuple[int, ...], affine: np.ndarray
) -> tuple[float, tuple[Check, ...]]:
    """What makes the affine millimetres, and where NIfTI's header is at odds with itself."""
    if "xyzt_units" not in header:
        return 1.0, ()
    from nibabel.spatialimages import HeaderDataError

    stated = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    unit = _UNITS.get(int(header["xyzt_units"]) & 7, "unknown")
    factor, found = unit_findings(unit, shape, affine)
    found = (*found, *spacing_checks(stated * factor, scaled(affine, factor)))
    if header["sform_code"] > 0 and header["qform_code"] > 0:
        with suppress(ValueError, HeaderDataError):  # no rotation: then there is no second place
            qform = header.get_qform()
            found = (*found, *position_checks(header.get_sform(), qform, shape, factor))
    return factor, found


def _has_orientation(image: Any) -> bool:
    """Whether the header says how the axes lie."""
    import nibabel

    header = image.header
    if isinstance(header, nibabel.Nifti1Header):
        return bool(header["sform_code"] > 0 or header["qform_code"] > 0)
    if isinstance(image, nibabel.MGHImage):
        return bool(header["goodRASFlag"] == 1)
    return not isinstance(image, nibabel.AnalyzeImage)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep nibabel's remarks about headers off the user's terminal."""
    from nibabel import imageglobals

    logger = imageglobals.logger
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
