"""What DICOM files say, without voxels and without the patient: their images, and their series."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import ChoiceError, InputError
from .limits import DICOM_START, HEAD_BYTES, MAX_HEADER_BYTES, BoundedStream

MAX_FILES = 100_000  # of a folder
MAX_READS = 2**23  # pydicom takes three for each of a header's fields, which a frame has dozens of
LONGEST_DESCRIPTION = 40
NO_PICTURES = ("SEG", "RTDOSE", "PR", "SR", "KO")  # modalities whose files may have rows and places
INSTALL = "install it by \"pip install 'skullstrip[dicom]'\""
TAGS = [
    *("SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality"),
    *("PatientName", "PatientID", "ImageType", "Rows", "Columns", "NumberOfFrames"),
    *("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "PixelRepresentation"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"),
    *("RescaleIntercept", "EchoTime", "RepetitionTime", "InversionTime", "ContrastBolusAgent"),
    *("AcquisitionContrast", "ConcatenationUID", "SharedFunctionalGroupsSequence"),
    "PerFrameFunctionalGroupsSequence",
]
GROUPS = (  # of an enhanced file's fields
    *("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence"),
    *("PixelValueTransformationSequence", "MREchoSequence"),
)
TIMES = {"RepetitionTime": "TR", "EchoTime": "TE", "InversionTime": "TI"}


class Frame(NamedTuple):
    """One slice; NaN stands for what the file does not say."""

    position: tuple[float, ...]  # centre of the first pixel, LPS mm
    orientation: tuple[float, ...]  # directions of a row and of a column, LPS, six numbers
    spacing: tuple[float, ...]  # distance of rows, and of columns, in mm
    scaling: tuple[float, float]  # slope and intercept
    echo_ms: float


@dataclass(frozen=True)
class Instance:
    """One file of a series."""

    path: Path
    uid: str
    series_uid: str
    number: int | None  # of the series
    description: str  # of the series, or empty if it names the patient
    contrast: str  # what weights the image, in words
    shape: tuple[int, int]  # rows and columns
    dtype: np.dtype
    frames: tuple[Frame, ...]  # one in a classic file
    is_part: bool  # whether the volume goes on in other files although this one has several frames
    fault: str  # why it cannot be read, and what to do, as the rest of a sentence; empty if it can


@dataclass(frozen=True)
class Series:
    """Files that belong together."""

    number: int  # what it is chosen by
    instances: tuple[Instance, ...]  # at least one

    @property
    def name(self) -> str:
        """Number and description, fit for a file's name; nothing of the patient's."""
        words = re.sub(r"[^A-Za-z0-9]+", "_", self.instances[0].description).strip("_")
        return f"series_{self.number}" + (f"_{words}" if words else "")

    @property
    def line(self) -> str:
        """Number, description, size and contrast, for a list."""
        first = self.instances[0]
        slices = sum(len(instance.frames) for instance in self.instances)
        size = f"{first.shape[1]} x {first.shape[0]} x {slices}"
        return f"{self.number:6}  {first.description:40}  {size:17}  {first.contrast}".rstrip()


def is_dicom(path: Path) -> bool:
    """Return whether a path is a DICOM file, or a folder with one in it."""
    try:
        return any(is_dicom_file(file) for file in _files(path))
    except OSError:  # a name that is too long, for example: whoever reads it says so
        return False


def find_series(path: Path, number: int | None = None) -> Series:
    """Return the series that is meant: of a folder, or of one file, which brings those beside it.

    Raise ChoiceError, which lists them by `number`, where a folder holds several and none of them
    is chosen, and InputError where there is no picture or a file cannot be read.
    """
    known = _all_series(path)
    if number is None and len(known) == 1:
        return known[0]
    if chosen := [series for series in known if series.number == number]:
        return chosen[0]
    lines = [series.line for series in known]
    if number is None:
        several = f"{path} holds {len(known)} series"
        advice = "name a file of the one you want, or, outside a batch, use '--series N'"
        raise ChoiceError(f"{several}; {advice}.", lines)
    raise ChoiceError(f"{path} holds no series {number}; choose one of these.", lines)


def files_of_series(path: Path) -> tuple[Path, ...]:
    """Return the files of one file's series, or a folder's DICOM files that may hold a scan."""
    if path.is_dir():
        return tuple(file for file in _files(path) if is_dicom_file(file) and _may_be_scan(file))
    with suppress(InputError):  # whoever reads the series says what is wrong with it
        return tuple(each.path for each in _all_series(path)[0].instances)
    return (path,)


def _may_be_scan(file: Path) -> bool:
    try:
        return read_instance(file) is not None
    except InputError:  # whoever reads it says what is wrong with it
        return True


def _all_series(path: Path) -> list[Series]:
    instances = [found for file in _files(path) if (found := read_instance(file)) is not None]
    if not path.is_dir() and instances:
        instances = _of_one_file(instances[0])
    if not instances:
        raise InputError(f"{path} is DICOM without a picture in it; give the scan's series.")
    instances.sort(key=lambda each: (each.number is None, each.number or 0, each.series_uid))
    groups = [tuple(group) for _, group in groupby(instances, key=lambda each: each.series_uid)]
    placed = [
        group
        for group in groups
        if not all(np.isnan(frame.position).any() for each in group for frame in each.frames)
    ]
    groups = placed or groups  # no screenshots
    numbers = [group[0].number for group in groups]
    if None in numbers or len(set(numbers)) < len(numbers):  # of several studies, for example
        numbers = list(range(1, len(groups) + 1))
    return [Series(number or 0, group) for number, group in zip(numbers, groups, strict=True)]


def _of_one_file(given: Instance) -> list[Instance]:
    if not given.is_part:
        return [given]
    beside = (read_instance(file) for file in sorted(given.path.parent.iterdir()) if file.is_file())
    return [each for each in beside if each is not None and each.series_uid == given.series_uid]


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    count = 0
    for parent, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            count += 1
            if count > MAX_FILES:
                raise InputError(
                    f"{path} holds more than {MAX_FILES:,} files; give the folder of one study."
                )
            if not name.startswith(".") and (file := Path(parent, name)).is_file():
                yield file


def is_dicom_file(path: Path) -> bool:
    """Return whether a regular file begins as DICOM files do."""
    try:
        return path.is_file() and _begins_as_dicom(path)
    except OSError:  # whoever reads it says why it cannot be opened
        return False


def _begins_as_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return re.match(DICOM_START, file.read(HEAD_BYTES), re.DOTALL) is not None


def read_instance(path: Path) -> Instance | None:
    """Read a file's header; None if it is no DICOM, or holds no pictures.

    Raise InputError where it cannot be made sense of, or pydicom is not installed.
    """
    status = path.stat()
    return _read_instance(path, status.st_mtime_ns, status.st_size)


@contextmanager
def opened(path: Path, max_bytes: int = MAX_HEADER_BYTES, **settings: Any) -> Iterator[Any]:
    """Give what pydicom makes of a file, of which no more is read than so many bytes.

    Raise InputError where it makes no sense of it: its words, and remarks, might quote the patient.
    """
    from pydicom import config, dcmread

    try:
        stream = _Stream(path, max_bytes, max_reads=MAX_READS)
        with config.disable_value_validation(), stream:
            yield dcmread(stream, force=True, **settings)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # it raises anything at all
        raise InputError(
            f"{path} cannot be read as DICOM ({type(error).__name__}); send or copy it again."
        ) from error


class _Stream(BoundedStream):
    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes; all the rest is asked for only to unpack it, unbounded."""
        if size < 0:
            raise InputError(
                f"{self.path} is deflated DICOM, which is not read; convert it with dcmconv."
            )
        return super().read(size)


@lru_cache(maxsize=2**14)  # a folder is gone through to name outputs, to guard inputs and to read
def _read_instance(path: Path, mtime_ns: int, size: int) -> Instance | None:  # noqa: ARG001
    try:
        if not _begins_as_dicom(path):
            return None
    except OSError as error:  # it may hold a slice that would be missed
        raise InputError(f"{path} cannot be opened: {error.strerror}.") from error
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise InputError(f"{path} is DICOM, which needs the package pydicom; {INSTALL}.") from error
    with opened(path, stop_before_pixels=True, specific_tags=TAGS) as header:
        if "Rows" not in header or header.get("Modality") in NO_PICTURES:
            return None
        return _instance(path, header)


def _instance(path: Path, header: Any) -> Instance:
    bits = int(header.get("BitsAllocated", 16))
    kind = "i" if header.get("PixelRepresentation", 0) else "u"
    number = header.get("SeriesNumber")
    frames = tuple(_frames(header))
    return Instance(
        path=path,
        uid=str(header.get("SOPInstanceUID", path)),
        series_uid=str(header.get("SeriesInstanceUID", "")),
        number=None if number is None else int(number),
        description=_description(header),
        contrast=_contrast(header),
        shape=(int(header.Rows), int(header.Columns)),
        dtype=np.dtype(f"{kind}{max(bits, 8) // 8}"),
        frames=frames,
        is_part=len(frames) == 1 or "ConcatenationUID" in header,
        fault=_fault(header),
    )


def _fault(header: Any) -> str:
    if "MOSAIC" in (header.get("ImageType") or ()):
        return (
            "is a Siemens mosaic, all slices in one picture; export it without mosaic, or convert "
            "it with dcm2niix"
        )
    if header.get("SamplesPerPixel", 1) != 1:
        return "holds colour pictures; choose the scan itself"
    if header.get("BitsAllocated", 16) >= 32 and "PixelRepresentation" not in header:
        return "holds numbers in floating point, which are not read; convert it with dcm2niix"
    if header.get("PhotometricInterpretation", "MONOCHROME2") != "MONOCHROME2":
        return f"is stored as {header.PhotometricInterpretation}; export it as MONOCHROME2"
    return ""


def _frames(header: Any) -> Iterator[Frame]:
    """Yield the slices: of an enhanced file each its own, of a classic one the file's only one."""
    own = header.get("PerFrameFunctionalGroupsSequence")
    if own is None:
        if int(header.get("NumberOfFrames") or 1) > 1:  # of which nothing says where they lie
            header.ImagePositionPatient = None
        yield _frame(header)
        return
    shared = (header.get("SharedFunctionalGroupsSequence") or [{}])[0]
    for groups in own:
        said = [found[0] for name in GROUPS if (found := groups.get(name) or shared.get(name))]
        yield _frame({field.keyword: field.value for group in said for field in group})


def _frame(fields: Any) -> Frame:
    def numbers(keyword: str, count: int) -> tuple[float, ...]:
        found = fields.get(keyword)
        return tuple(map(float, found)) if found and len(found) == count else (np.nan,) * count

    def number(keyword: str, default: float) -> float:
        found = fields.get(keyword)
        return default if found is None or found == "" else float(found)

    return Frame(
        numbers("ImagePositionPatient", 3),
        numbers("ImageOrientationPatient", 6),
        numbers("PixelSpacing", 2),
        (number("RescaleSlope", 1.0), number("RescaleIntercept", 0.0)),
        number("EffectiveEchoTime", number("EchoTime", np.nan)),
    )


def _description(header: Any) -> str:
    """Return the series' description, unless a word of the patient's name or number is in it."""
    text = " ".join(str(header.get("SeriesDescription") or "").split())[:LONGEST_DESCRIPTION]
    patient = f"{header.get('PatientName', '')} {header.get('PatientID', '')}".casefold()
    names, words = (set(re.split(r"[\W_]+", part)) - {""} for part in (patient, text.casefold()))
    within = any(name in text.casefold() for name in names if len(name) > 2)
    return "" if within or names & words else text


def _contrast(header: Any) -> str:
    times = [
        f"{name} {float(header[tag].value):g}" for tag, name in TIMES.items() if header.get(tag)
    ]
    said = [str(header.get("AcquisitionContrast") or ""), ", ".join(times) + " ms" * bool(times)]
    said.append("contrast agent" if header.get("ContrastBolusAgent") else "")
    return ", ".join(filter(None, said))
