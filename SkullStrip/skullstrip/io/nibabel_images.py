"""NIfTI, MGH, Analyze, MINC, AFNI and PAR/REC through nibabel; voxels stay as they are stored."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..checks.input_checks import MAX_EXTENT_MM, MIN_EXTENT_MM, NO_ORIENTATION, Check, by_axis
from ..errors import InputError
from ..grid.volume import spacing_of, spatial_axes
from . import limits
from .limits import MAX_HEADER_BYTES, BoundedStream, max_voxels, require_file

MAX_MAT_BYTES = 2**14  # SPM's affine takes a few hundred
_UNITS = {1: ("meter", 1000.0), 3: ("micron", 0.001)}  # NIfTI's codes, and mm in one
# Headers hold float32, and some programs round to 0.001 mm; more than this is a contradiction.
_SPACING_TOLERANCE = 0.01
_POSITION_TOLERANCE_MM = 2.0  # of corners, which small errors of a quaternion move most
# Fields of NIfTI and Analyze that say where voxels lie.
_GEOMETRY = (
    *("dim", "pixdim", "dim_info", "xyzt_units", "qform_code", "sform_code", "origin"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
)


class Reader:
    """An opened file; `images` says what a reader has."""

    def __init__(self, path: Path) -> None:
        with _quiet():
            self._image = image = _load(path)
        self.header = image.header
        self.shape = tuple(int(size) for size in image.shape)
        self.dtype = np.dtype(image.get_data_dtype())
        self.affine, checks = _in_mm(image)
        self.checks = checks if _has_orientation(image) else (NO_ORIENTATION, *checks)

    def read(self) -> tuple[np.ndarray, float, float]:
        """Return stored voxels, and the slope and intercept that turn them into values."""
        from nibabel.arrayproxy import ArrayProxy

        proxy = self._image.dataobj
        if not isinstance(proxy, ArrayProxy):  # MINC, PAR/REC: slices may differ in their scaling
            return np.asarray(proxy).astype(np.float32, copy=False), 1.0, 0.0
        path = Path(self._image.file_map["image"].filename)
        with limits.open_content(path) as file:
            where = proxy.offset, proxy.shape, proxy.dtype, proxy.order
            stored = limits.read_array(file, path, *where)
        if hasattr(self.header, "get_data_scaling"):  # AFNI: a factor for each volume, here one
            factors = self.header.get_data_scaling()
            return stored, 1.0 if factors is None else float(factors[0]), 0.0
        return stored, float(proxy.slope), float(proxy.inter)


def files_read(path: Path) -> tuple[Path, ...]:
    """Return all files that an image may consist of and that are there, `path` first."""
    maps = [file_map for _, file_map in _candidates(path)]
    names = [path, *(Path(holder.filename) for found in maps for holder in found.values())]
    return tuple(dict.fromkeys(name for name in names if name.is_file()))


def _candidates(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the classes of nibabel that take this ending, each with its files."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.imageclasses import all_image_classes

    for image_class in all_image_classes:
        with suppress(ImageFileError):
            file_map = image_class.filespec_to_file_map(path)
            if str(path) in [holder.filename for holder in file_map.values()]:
                yield image_class, file_map


def _load(path: Path) -> Any:
    """Do as `nibabel.load`, but within bounds and whatever the files are packed with.

    Raise InputError or ValueError for anything but voxels in space.
    """
    from nibabel.parrec import PARRECImage
    from nibabel.spatialimages import SpatialImage

    image_class, file_map = _fitting(path)
    if not issubclass(image_class, SpatialImage):
        raise InputError(f"{path} holds no image but a {image_class.__name__}; give a scan.")
    for name, holder in file_map.items():
        if os.path.lexists(holder.filename):
            require_file(Path(holder.filename))
        elif name != "mat":
            raise InputError(
                f"{path} cannot be read without {holder.filename}, which is not there; copy it too."
            )
    with ExitStack() as stack:
        for name, holder in file_map.items():
            if (stream := _bounded(image_class, name, Path(holder.filename))) is not None:
                holder.fileobj = stack.enter_context(stream)
        image = image_class.from_file_map(file_map, mmap=False)
    if isinstance(image, PARRECImage):
        voxels = np.prod(image.header.get_rec_shape(), dtype=object)
        wanted = voxels * image.get_data_dtype().itemsize
        limits.require_bytes(Path(file_map["image"].filename), wanted)
    return image


def _fitting(path: Path) -> tuple[Any, dict[str, Any]]:
    """Return the first class of nibabel that knows the header, and its files."""
    for image_class, file_map in _candidates(path):
        fits = getattr(image_class.header_class, "may_contain_header", None)
        head = require_file(Path(file_map.get("header", file_map["image"]).filename))
        if fits is None or (len(head) >= image_class._meta_sniff_len and fits(head)):
            return image_class, file_map
    raise ValueError("it is of no known image format")


def _bounded(image_class: Any, name: str, path: Path) -> Any:
    """Return a stream of one file of an image, to read no more of than a header has.

    None for a file that is not read with the header, or whose bounds are checked here.
    """
    from nibabel.minc1 import Minc1Image
    from nibabel.minc2 import Minc2Image

    voxels = max_voxels() * limits.LARGEST_ITEM_BYTES
    if issubclass(image_class, Minc2Image):
        _require_minc2(path)
        return None
    if issubclass(image_class, Minc1Image):  # voxels are read with the header
        size = min(voxels, path.stat().st_size * limits.MAX_SHRINKAGE)
        return BoundedStream(path, MAX_HEADER_BYTES + size)
    if hasattr(image_class.header_class, "may_contain_header"):
        limit = MAX_MAT_BYTES if name == "mat" else MAX_HEADER_BYTES
        return BoundedStream(path, limit, MAX_HEADER_BYTES + voxels) if path.is_file() else None
    if name != "header":
        return None
    with BoundedStream(path, limits.MAX_TEXT_BYTES) as file:  # AFNI, PAR/REC
        return io.StringIO(file.read().decode("utf-8", "replace"), newline=None)


def _require_minc2(path: Path) -> None:
    """Refuse HDF5 whose voxels lie in other files, or are more than the file can hold."""
    try:
        import h5py  # type: ignore[import-untyped]
    except ImportError as error:
        raise InputError(
            f"{path} is MINC 2, which needs the package h5py; install it, or use mnc2nii."
        ) from error
    with h5py.File(path, "r") as file:
        parts = (file["minc-2.0/image/0"].get(name) for name in ("image", "image-min", "image-max"))
        for part in filter(None, parts):
            if part.is_virtual or part.external or part.file.filename != file.filename:
                raise ValueError("its voxels are in other files")
            if part.size > max_voxels():
                raise ValueError(f"it claims {part.size:,} voxels, more than the limit")
            if part.nbytes > part.id.get_storage_size() * limits.MAX_SHRINKAGE:
                raise ValueError("voxels are missing")


def can_store(path: Path, source: Any, dtype: np.dtype, scaling: tuple[float, float]) -> bool:
    """Return whether a file of this name holds this dtype with this slope and intercept."""
    from nibabel.freesurfer.mghformat import MGHError
    from nibabel.spatialimages import HeaderDataError

    blank: Any = _image_class(path, source).header_class()
    if scaling != (1.0, 0.0) and not getattr(blank, "has_data_slope", False):
        return False
    try:
        blank.set_data_dtype(dtype)
    except (HeaderDataError, MGHError):
        return False
    return True


def write(
    path: Path, source: Any, stored: np.ndarray, scaling: tuple[float, float], affine: np.ndarray
) -> None:
    """Write stored voxels with their slope and intercept.

    The source's header is used again where the format allows, so that sform, qform, their codes,
    units, texts and extensions stay bit for bit; otherwise the affine is all that is kept.
    """
    import nibabel

    image_class = _image_class(path, source)
    kept = _header_for(image_class.header_class, source)
    header: Any = image_class.header_class() if kept is None else kept
    if kept is not None and "xyzt_units" in header:
        affine = header.get_best_affine()  # in the header's own unit
    if kept is None or image_class is nibabel.MGHImage:  # which tells no frames from one frame
        stored = stored.reshape(stored.shape[spatial_axes(stored.shape)])
    if header.get_data_shape() != stored.shape:  # MGH forgets its spacing with its shape
        header.set_data_shape(stored.shape)
    header.set_data_dtype(stored.dtype)
    if "cal_max" in header:  # the display range of the source's values
        header["cal_min"] = header["cal_max"] = 0
    with _quiet():
        image = image_class(stored, affine, header)
        if kept is None and "sform_code" in header:
            image.set_sform(affine, code="scanner")
            image.set_qform(affine, code="scanner")
            image.header.set_xyzt_units("mm")
        if getattr(header, "has_data_slope", False):
            image.header.set_slope_inter(*scaling)
        _save(path, image)


def _save(path: Path, image: Any) -> None:
    """Do as `nibabel.save`, but pack as `limits.packed` does."""
    image.file_map = image.filespec_to_file_map(path)
    with ExitStack() as stack:
        for holder in image.file_map.values():
            if holder.filename.lower().endswith((".gz", ".mgz")):
                holder.fileobj = stack.enter_context(limits.packed(Path(holder.filename)))
        image.to_file_map()


def _image_class(path: Path, source: object) -> Any:
    """Return the nibabel class for this ending, of the source's kind where there is a choice."""
    import nibabel

    name = path.name.lower()
    second = isinstance(source, nibabel.Nifti2Header)
    if name.endswith((".mgh", ".mgz")):
        return nibabel.MGHImage
    if name.endswith((".nii", ".nii.gz")):
        return nibabel.Nifti2Image if second else nibabel.Nifti1Image
    if type(source) is nibabel.AnalyzeImage.header_class:
        return nibabel.AnalyzeImage
    # SPM's variants too: they would bring a .mat file, perhaps over one that is somebody else's.
    return nibabel.Nifti2Pair if second else nibabel.Nifti1Pair


def _header_for(header_class: Any, source: Any) -> Any:
    """Return a copy of the source's header for another file of its family, else None."""
    from nibabel.nifti1 import Nifti1Header

    if type(source) is header_class:
        return source.copy()
    if isinstance(source, Nifti1Header) and issubclass(header_class, Nifti1Header):
        return header_class(source.binaryblock, source.endianness, check=False)
    return None


def geometry_of(header: Any) -> Any:
    """Return a header of the same kind that says where the voxels lie, and nothing else."""
    from nibabel.analyze import AnalyzeHeader

    if not isinstance(header, AnalyzeHeader):  # NIfTI and SPM's are; others hold no texts
        return header
    blank = type(header)(endianness=header.endianness)
    for name in _GEOMETRY:
        if name in header:
            blank[name] = header[name]
    return blank


def write_turned_to_ras(path: Path, target: Path) -> None:
    """Write a NIfTI image again, its axes permuted and mirrored as nibabel makes them RAS."""
    import nibabel

    nibabel.save(nibabel.as_closest_canonical(nibabel.load(path)), target)


def _in_mm(image: Any) -> tuple[np.ndarray, tuple[Check, ...]]:
    """Return the affine in mm, and where NIfTI's header is at odds with itself.

    A unit is believed where it makes a head of the image: some programs write units at random
    beside an affine in mm. What no unit makes a head is refused by the check of the field of view.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.spatialimages import HeaderDataError

    header, affine = image.header, np.asarray(image.affine, dtype=np.float64)
    if not isinstance(header, Nifti1Header) or len(image.shape) < 3:
        return affine, ()
    checks: list[tuple[str, Any, str]] = []
    name, unit_mm = _UNITS.get(int(header["xyzt_units"]) & 7, ("mm", 1.0))  # other bits are time's
    extent = spacing_of(affine) * image.shape[:3]
    if unit_mm != 1.0 and _is_head_sized(extent * unit_mm):
        message = f"The header is in units of {name}; the affine was converted to mm."
        checks.append(("units_converted", "note", message))
    elif unit_mm != 1.0 and _is_head_sized(extent):
        message = f"The header names units of {name}, which make no head; mm were assumed."
        checks.append(("units_unlikely", "warn", message))
        unit_mm = 1.0
    in_mm = np.diag([unit_mm, unit_mm, unit_mm, 1.0])
    affine = in_mm @ affine
    stated_mm = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64)) * unit_mm
    spacing_mm = spacing_of(affine)
    is_finite = np.isfinite(stated_mm).all() and np.isfinite(spacing_mm).all()
    if is_finite and not np.allclose(stated_mm, spacing_mm, rtol=_SPACING_TOLERANCE):
        message = (
            f"The header gives a spacing of {by_axis(stated_mm)} mm, but its affine one of "
            f"{by_axis(spacing_mm)} mm, which was used; check the volume."
        )
        checks.append(("spacing_disagrees", "warn", message))
    if header["sform_code"] > 0 and header["qform_code"] > 0:
        with suppress(ValueError, HeaderDataError):  # no rotation: then there is no second place
            difference = affine - in_mm @ header.get_qform()
            corners = np.array(list(np.ndindex(2, 2, 2))) * image.shape[:3]
            moved = corners @ difference[:3, :3].T + difference[:3, 3]
            apart_mm = np.linalg.norm(moved, axis=1).max()
            if apart_mm > _POSITION_TOLERANCE_MM:
                message = (
                    "The header places the scan twice, by sform and by qform, up to "
                    f"{apart_mm:.0f} mm apart; the sform was used, so check left and right if it "
                    "is not the one you mean."
                )
                checks.append(("positions_disagree", "note", message))
    return affine, tuple(Check(*found) for found in checks)


def _is_head_sized(extent_mm: np.ndarray) -> bool:
    return bool(extent_mm.min() >= MIN_EXTENT_MM and extent_mm.max() <= MAX_EXTENT_MM)


def _has_orientation(image: Any) -> bool:
    """Return whether the header says how the axes lie."""
    import nibabel

    header = image.header
    if isinstance(header, nibabel.Nifti1Header):
        return bool(header["sform_code"] > 0 or header["qform_code"] > 0)
    if isinstance(image, nibabel.MGHImage):
        return bool(header["goodRASFlag"] == 1)
    return not isinstance(image, nibabel.AnalyzeImage)


def start_without_pydicom() -> None:
    """Import nibabel without pydicom, which takes longer than the rest of it.

    For a process of its own, which needs nothing of nibabel's for DICOM.
    """
    if "pydicom" not in sys.modules:
        sys.modules["pydicom"] = None  # type: ignore[assignment]
        try:
            import nibabel  # noqa: F401
        finally:
            del sys.modules["pydicom"]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep nibabel's remarks about headers off the user's terminal."""
    from nibabel import imageglobals

    was, imageglobals.logger.disabled = imageglobals.logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        imageglobals.logger.disabled = was
