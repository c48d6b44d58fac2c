"""A series of DICOM slices as one volume, through pydicom; classic and enhanced alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..checks.input_checks import Check
from ..errors import InputError
from .dicom_header import INSTALL, Frame, Instance, Series, opened
from .limits import MAX_HEADER_BYTES

EVEN = 0.02  # of the step between slices: what a distance may be off, positions being rounded
EVEN_MM = 0.02
TURNED = 1e-3  # of a direction: more is another orientation
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # JPEG's, and JPEG-LS's


@dataclass(frozen=True)
class DicomHeader:
    """Where a volume's slices come from."""

    name: str  # of the series, fit for a file's name
    # File and number of the frame in it, from 0, along the volume's last axis.
    slices: tuple[tuple[Path, int], ...]


class Reader:
    """A series whose headers are read; `images` says what a reader has."""

    def __init__(self, series: Series) -> None:
        what = f"Series {series.number}"
        for each in series.instances:
            if each.fault:
                raise InputError(f"{what} {each.fault}.")
        instances = {(each.uid, each.frames): each for each in series.instances}.values()
        if len({each.shape for each in instances}) > 1:
            raise InputError(f"{what} holds slices of several sizes; choose a series of one size.")
        slices = [(each, n, frame) for each in instances for n, frame in enumerate(each.frames)]
        order, self.affine = lay_out([frame for *_, frame in slices], what)
        self._slices = [slices[place] for place in order]
        rows, columns = slices[0][0].shape
        self.shape: tuple[int, ...] = (columns, rows, len(slices))
        self.dtype = np.result_type(*{each.dtype for each in instances})
        self.header = DicomHeader(series.name, tuple((each.path, n) for each, n, _ in self._slices))
        copies = len(series.instances) - len(instances)
        message = f"Copies of slices that are there already were left out ({copies} of the files)."
        self.checks = (Check("dicom_copies", "note", message),) * bool(copies)

    def read(self) -> tuple[np.ndarray, float, float]:
        """Return stored voxels, and the slope and intercept that turn them into values."""
        scalings = {frame.scaling for *_, frame in self._slices}
        stored = np.empty(self.shape[::-1], self.dtype if len(scalings) == 1 else np.float32)
        read = None
        for place, (instance, number, frame) in enumerate(self._slices):
            if instance is not read:
                read, voxels = instance, read_voxels(instance)
            stored[place] = voxels[number]
            if len(scalings) > 1:
                stored[place] = stored[place] * frame.scaling[0] + frame.scaling[1]
        slope, intercept = scalings.pop() if len(scalings) == 1 else (1.0, 0.0)
        return stored.transpose(2, 1, 0), slope, intercept


def lay_out(frames: Sequence[Frame], what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of slices along their normal, and the affine that they make.

    The affine leads from column, row and slice to RAS+ mm, float64 (4, 4); it is sheared if slices
    are not behind each other, as of a tilted gantry. Raise InputError, in which they are called
    `what`, for slices that are missing, doubled, uneven, of several orientations, or lie nowhere.
    """
    directions = np.array([frame.orientation for frame in frames])
    spacing = np.array([frame.spacing for frame in frames])
    positions = np.array([frame.position for frame in frames])
    lengths = np.linalg.norm(directions.reshape(-1, 2, 3), axis=2)
    known = np.isfinite(positions).all() and np.isfinite(spacing).all() and spacing.min() > 0
    if not (known and np.allclose(lengths, 1, atol=0.05)):
        raise InputError(
            f"{what} does not say of every slice where it lies, how it is turned and how large its "
            "pixels are; choose another series, or export it again."
        )
    turned = np.unique(np.round(directions / (10 * TURNED)), axis=0)
    if np.abs(directions - directions[0]).max() > TURNED:
        raise InputError(
            f"{what} holds slices of {max(2, len(turned))} orientations, as a localizer does; "
            "choose a series whose slices are parallel."
        )
    if not np.allclose(spacing, spacing[0], rtol=EVEN):
        raise InputError(f"{what} holds pixels of several sizes; choose a series of one size.")
    along_row, along_column = (part / np.linalg.norm(part) for part in np.split(directions[0], 2))
    depths = positions @ np.cross(along_row, along_column)
    order = np.argsort(depths, kind="stable")
    if len(frames) == 1:
        step = np.cross(along_row, along_column)
    else:
        _require_even(np.diff(depths[order]), frames, what)
        step = (positions[order[-1]] - positions[order[0]]) / (len(frames) - 1)
    line = positions[order[0]] + np.arange(len(frames))[:, None] * step
    off = np.linalg.norm(positions[order] - line, axis=1).max()
    if off > EVEN * np.linalg.norm(step) + EVEN_MM:
        raise InputError(
            f"{what} holds slices up to {off:.3g} mm off the line through the others; export the "
            "series again, or resample it with dcm2niix."
        )
    affine = np.eye(4)
    affine[:3, 0] = along_row * spacing[0, 1]
    affine[:3, 1] = along_column * spacing[0, 0]
    affine[:3, 2] = step
    affine[:3, 3] = positions[order[0]]
    return order, LPS_TO_RAS @ affine


def _require_even(gaps: np.ndarray, frames: Sequence[Frame], what: str) -> None:
    """Refuse slices that are not one step apart, by the gaps between them."""
    if gaps.min() < EVEN_MM:
        echoes = sorted({frame.echo_ms for frame in frames if np.isfinite(frame.echo_ms)})
        several = len(echoes) > 1
        which = f", of echo times {' and '.join(f'{e:g}' for e in echoes)} ms" if several else ""
        places = 1 + np.count_nonzero(gaps >= EVEN_MM)
        raise InputError(
            f"{what} holds {len(frames)} slices at {places} places{which}; give one volume alone "
            "(dcm2niix separates them)."
        )
    tolerance = EVEN * np.median(gaps) + EVEN_MM
    if np.abs(gaps - np.median(gaps)).max() <= tolerance:
        return
    counts = np.rint(gaps / gaps.min())
    if np.abs(gaps - counts * gaps.min()).max() <= tolerance * counts.max():
        missing, first = int(counts.sum()) - len(gaps), int(np.argmax(counts > 1)) + 1
        lack = "a slice," if missing == 1 else f"{missing} slices, the first"
        raise InputError(
            f"{what} lacks {lack} after number {first} of {len(frames)}; fetch the whole series "
            "again."
        )
    raise InputError(
        f"{what} has slices between {gaps.min():.4g} and {gaps.max():.4g} mm apart; choose a "
        "series of even steps, or resample it with dcm2niix."
    )


def read_voxels(instance: Instance) -> np.ndarray:
    """Return a file's stored values, shape (frames, rows, columns).

    Raise InputError where they are too few, or packed in a way that nothing installed unpacks.
    """
    shape = (len(instance.frames), *instance.shape)
    wanted = int(np.prod(shape, dtype=object)) * instance.dtype.itemsize
    with opened(instance.path, MAX_HEADER_BYTES + 2 * wanted) as dataset:
        if int(dataset.get("NumberOfFrames") or 1) != len(instance.frames):
            raise ValueError("it holds more pictures than it says where they lie")
        _require_bounds(instance, dataset, wanted)
        return np.asarray(dataset.pixel_array.reshape(shape))


def _require_bounds(instance: Instance, dataset: Any, wanted: int) -> None:
    """Refuse voxels that are cut short, or would be unpacked to more than the header names."""
    from pydicom.encaps import generate_frames
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
    if not _has_decoder(syntax):
        raise InputError(
            f"{instance.path} is packed as {syntax.name}, which needs a decoder that is not here; "
            f"{INSTALL}."
        )
    if syntax == RLELossless:  # which grows by no more than its size allows
        return
    count = len(instance.frames)
    for content in generate_frames(dataset.PixelData, number_of_frames=count):
        if (size := encoded_shape(content)) != (*instance.shape, 1):
            raise InputError(
                f"{instance.path} holds a picture of {' x '.join(map(str, size)) or 'no'} values "
                "that its header does not name; export it again."
            )


def _has_decoder(syntax: Any) -> bool:
    from pydicom.pixels import get_decoder

    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


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
