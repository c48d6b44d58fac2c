"""Voxels of a DICOM file, unpacked no further than its header names."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from .dicom_header import INSTALL, DicomStream, Instance, read_dataset, understood
from .limits import MAX_HEADER_BYTES

START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # JPEG's, and JPEG-LS's


def read_voxels(instance: Instance) -> np.ndarray:
    """Return a file's stored values, shape (frames, rows, columns).

    Raise InputError where they are too few, or packed in a way that nothing installed unpacks.
    """
    shape = (len(instance.frames), *instance.shape)
    wanted = int(np.prod(shape, dtype=object)) * instance.dtype.itemsize
    with understood(instance.path):
        with DicomStream(instance.path, MAX_HEADER_BYTES + 2 * wanted) as stream:
            dataset = read_dataset(stream)
        if int(dataset.get("NumberOfFrames") or 1) != len(instance.frames):
            raise ValueError("it holds more pictures than it says where they lie")
        _require_bounds(instance, dataset, wanted)
        return np.asarray(dataset.pixel_array.reshape(shape))


def _require_bounds(instance: Instance, dataset: Any, wanted: int) -> None:
    """Refuse voxels that are cut short, or would be unpacked to more than the header names."""
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

    if "TransferSyntaxUID" not in dataset.file_meta:  # as files were before there was a preamble
        plain = ImplicitVRLittleEndian if dataset.original_encoding[0] else ExplicitVRLittleEndian
        dataset.file_meta.TransferSyntaxUID = plain
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        if len(dataset.PixelData) < wanted:
            raise InputError(
                f"{instance.path} is cut short: {len(dataset.PixelData):,} bytes of voxels instead "
                f"of {wanted:,}; copy or export it again."
            )
        return
    _require_decoder(instance, syntax)
    if syntax != RLELossless:  # which grows by no more than its size allows
        _require_sizes(instance, dataset)


def _require_decoder(instance: Instance, syntax: Any) -> None:
    from pydicom.pixels import get_decoder

    try:
        known = get_decoder(syntax).is_available
    except NotImplementedError:
        known = False
    if not known:
        raise InputError(
            f"{instance.path} is packed as {syntax.name}, which needs a decoder that is not here; "
            f"{INSTALL}."
        )


def _require_sizes(instance: Instance, dataset: Any) -> None:
    """Refuse pictures that would be unpacked to another size than the header names."""
    from pydicom.encaps import generate_frames

    count = len(instance.frames)
    for content in generate_frames(dataset.PixelData, number_of_frames=count):
        if (size := encoded_shape(content)) != (*instance.shape, 1):
            raise InputError(
                f"{instance.path} holds a picture of {' x '.join(map(str, size)) or 'no'} values "
                "that its header does not name; export it again."
            )


def encoded_shape(content: bytes) -> tuple[int, ...]:
    """Return rows, columns and colours of a JPEG, JPEG-LS or JPEG 2000 picture; () of another."""
    if content[:4] == b"\xff\x4f\xff\x51":  # JPEG 2000: sizes of the grid, then offsets into it
        right, bottom, left, top = (
            int.from_bytes(content[start : start + 4], "big") for start in (8, 12, 16, 20)
        )
        return bottom - top, right - left, int.from_bytes(content[40:42], "big")
    place = 2
    while content[:2] == b"\xff\xd8" and place + 9 < len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if marker in START_OF_FRAME:
            rows, columns = (content[place + 5 : place + 7], content[place + 7 : place + 9])
            size = int.from_bytes(rows, "big"), int.from_bytes(columns, "big")
            return (*size, content[place + 9])
        place += 1 if marker == 0xFF else 2 + length
    return ()
