"""The brain as DICOM Segmentation of the series that it was found in, through highdicom."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._version import __version__
from ..errors import InputError
from .dicom_header import INSTALL, opened
from .dicom_images import DicomHeader

NAME = "SkullStrip"
SERIES_OFFSET = 1000  # a series of its own, beside the scan's
# What a file may leave out or empty, and a segmentation repeats.
MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)
ALIKE = ("PixelMeasuresSequence", "PlaneOrientationSequence")  # in all frames, once it is read
REFERRED_TO = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
BRAIN_COLOR = (255, 168, 77)  # of the module's first segment


def require_segmentable(header: object) -> DicomHeader:
    """Return the header of an `Image` whose voxels can be segmented in DICOM.

    Raise InputError for one of no DICOM series, or of one that nothing can refer to.
    """
    if not isinstance(header, DicomHeader):
        raise InputError("A DICOM segmentation refers to DICOM images; leave out '--seg'.")
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        message = f"A DICOM segmentation needs the package highdicom; {INSTALL}."
        raise InputError(message) from error
    files = {path for path, _ in header.slices}
    if 1 < len(files) < len(header.slices):
        raise InputError(
            f"A DICOM segmentation refers to one enhanced file, and {header.name} has "
            f"{len(files)}; leave out '--seg'."
        )
    source = _source(header.slices[0][0])
    if missing := [keyword for keyword in REFERRED_TO if not source.get(keyword)]:
        raise InputError(
            f"A DICOM segmentation refers to its images, and {header.name} names no {missing[0]}; "
            "leave out '--seg'."
        )
    return header


def write_segmentation(
    path: Path, header: object, brain: np.ndarray, parameters: Mapping[str, object]
) -> None:
    """Write a segmentation with one segment, the brain, of the series that it was found in.

    Patient, study and frame of reference are those of the images that the `header` refers to. The
    brain, shape (I, J, K), is bool, or a probability in [0, 1], which is stored in 256 steps.
    `parameters` identify the algorithm, besides name and version: the weights' hash and options.
    """
    import highdicom as hd
    from pydicom import config
    from pydicom.sr.codedict import codes

    sources, frames = _in_order(require_segmentable(header), brain.transpose(2, 1, 0))
    is_binary = brain.dtype == np.bool_
    algorithm = hd.AlgorithmIdentificationSequence(
        name=NAME,
        family=codes.DCM.ArtificialIntelligence,
        version=__version__,
        parameters={name: str(value) for name, value in parameters.items()},
    )
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Brain",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.Brain,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=hd.UID(),
        tracking_id="Brain",
        display_color=hd.color.CIELabColor.from_rgb(*BRAIN_COLOR),
    )
    kinds = hd.seg.SegmentationTypeValues
    # What the scanner wrote is repeated as it is, and no remark on it quotes the patient's name.
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = hd.seg.Segmentation(
            source_images=sources,
            pixel_array=frames.astype(np.uint8 if is_binary else np.float32),
            segmentation_type=kinds.BINARY if is_binary else kinds.FRACTIONAL,
            segment_descriptions=[segment],
            series_instance_uid=hd.UID(),
            series_number=int(sources[0].get("SeriesNumber") or 0) + SERIES_OFFSET,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer=NAME,
            manufacturer_model_name=NAME,
            software_versions=__version__,
            device_serial_number="0",
            content_label="BRAIN",
            content_description="Brain mask" if is_binary else "Brain probability",
            series_description=f"Brain ({NAME})",
        )
        made.save_as(path)


def _source(path: Path) -> Any:
    with opened(path, stop_before_pixels=True) as source:
        for keyword in MAY_BE_EMPTY:
            if keyword not in source:
                setattr(source, keyword, "")
        frames = source.get("PerFrameFunctionalGroupsSequence", ())
        for group in ALIKE if frames else ():  # each frame may say what all share
            if group not in source.SharedFunctionalGroupsSequence[0]:
                setattr(source.SharedFunctionalGroupsSequence[0], group, frames[0].get(group))
    return source


def _in_order(header: DicomHeader, frames: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """Return the images, and the frames (K, rows, columns) in their order."""
    paths = [path for path, _ in header.slices]
    if len(set(paths)) == len(paths):
        return [_source(path) for path in paths], frames
    ordered = np.empty_like(frames)
    ordered[[number for _, number in header.slices]] = frames
    return [_source(paths[0])], ordered
