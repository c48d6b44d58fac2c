"""Voxels of a DICOM file, unpacked no further than its header names."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from .dicom_header import INSTALL, DicomStream, Instance, read_dataset
from .limits import MAX_HEADER_BYTES, require_bytes

START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # JPEG's, and JPEG-LS's


def read_voxels(instance: Instance) -> np.ndarray:
    """Return a file's stored values, shape (frames, rows, columns).

    Raises
    ------
    InputError
        They are too few, or packed in a way that nothing installed unpacks.
    """
    shape = (len(instance.frames), *instance.shape)
    wanted = int(np.prod(shape, dtype=object)) * instance.dtype.itemsize
    with DicomStream(instance.path, MAX_HEADER_BYTES + 2 * wanted) as stream:
        dataset = read_dataset(stream)
    packed = dataset.file_meta.get("TransferSyntaxUID")
    if packed is not None and packed.is_encapsulated:
        _require_decoder(instance, packed)
        _require_sizes(instance, dataset)
    require_bytes(instance.path, wanted, compressed=packed is not None and packed.is_encapsulated)
    voxels = dataset.pixel_array.reshape(shape)
    return np.asarray(voxels)


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
        size = encoded_shape(content)
        if size is not None and size != instance.shape:
            raise ValueError(f"a picture in it has {size[0]} x {size[1]} pixels")


def encoded_shape(content: bytes) -> tuple[int, int] | None:
    """Return rows and columns of a JPEG, JPEG-LS or JPEG 2000 picture; None for other content."""
    if content[:4] == b"\xff\x4f\xff\x51":  # JPEG 2000: sizes of the grid, then offsets into it
        right, bottom, left, top = (
            int.from_bytes(content[start : start + 4], "big") for start in (8, 12, 16, 20)
        )
        return bottom - top, right - left
    place = 2
    while content[:2] == b"\xff\xd8" and place + 9 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if marker in START_OF_FRAME:
            rows, columns = (content[place + 5 : place + 7], content[place + 7 : place + 9])
            return int.from_bytes(rows, "big"), int.from_bytes(columns, "big")
        place += 1 if marker == 0xFF else 2 + length
    return None
