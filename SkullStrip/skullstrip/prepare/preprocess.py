"""The one place that defines what the network sees of a scan; training and inference share it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..grid.orientation import Orientation, reorient_to_ras, then
from ..grid.regions import Box, block_means, bounding_box
from ..grid.resample import resample, resample_part
from ..grid.volume import Volume
from .intensity import scale_intensities

MAX_WORKING_VOXELS = 2**27  # 512 x 512 x 512 mm for a network of 1 mm
# Of the head's box:
MARGIN_MM = 12.0
BLOCK_MM = 4.0  # blocks are averaged first, so that noise in the air does not count
HEAD_FRACTION = 0.25  # of the typical bright block: between air and the darkest tissue
SMALLEST_PART = 0.02  # pieces under this share of the largest one are noise


@dataclass(frozen=True)
class Prepared:
    """A scan ready for the network, and what is needed to return to its own grid."""

    # float32, shape (X, Y, Z); RAS+, isotropic, intensities in [0, 1], cut to the head's box.
    head: np.ndarray
    box: Box  # the head in the resampled volume
    resampled_shape: tuple[int, ...]  # shape of that volume
    source_shape: tuple[int, ...]  # shape of the RAS+ volume before resampling
    source_spacing_mm: np.ndarray  # shape (3,); before resampling
    spacing_mm: np.ndarray  # shape (3,); after it
    orientation: Orientation  # from the input's axes to RAS+


def normalise(volume: Volume) -> tuple[Volume, Orientation]:
    """Reorient to RAS+ and scale intensities to [0, 1]; no interpolation."""
    ras, orientation = reorient_to_ras(volume)
    return Volume(scale_intensities(ras.array), ras.affine), orientation


def prepare(volume: Volume, spacing_mm: float) -> Prepared:
    """Reorient, scale, resample to isotropic voxels of a size and cut to the head.

    The volume may have any orientation, spacing and real dtype. Raise InputError for a field of
    view that takes gigabytes at that size or 1 mm: a few voxels with a broken spacing are enough.
    """
    target_mm = np.full(3, spacing_mm)
    extent_mm = volume.spacing_mm * volume.array.shape
    if float(np.prod(extent_mm / np.minimum(target_mm, 1.0))) > MAX_WORKING_VOXELS:
        size = " x ".join(f"{length:.0f}" for length in extent_mm)
        raise InputError(
            f"The field of view is {size} mm, far more than a head; repair the header's spacing."
        )
    scaled, orientation = normalise(volume)
    resampled = resample(scaled.array, scaled.spacing_mm, target_mm)
    box = head_bounding_box(resampled, spacing_mm)
    return Prepared(
        head=resampled[box].copy(order="K"),  # not a view, which would keep the air in memory
        box=box,
        resampled_shape=resampled.shape,
        source_shape=scaled.array.shape,
        source_spacing_mm=scaled.spacing_mm,
        spacing_mm=target_mm,
        orientation=orientation,
    )


def head_bounding_box(scaled: np.ndarray, spacing_mm: float) -> Box:
    """Bounding box of all that is not air, widened by a margin, so that air is not predicted.

    Intensities, float32 (X, Y, Z), are in [0, 1], on an isotropic grid. Where nothing stands out,
    the box is the whole volume. It errs on the large side: too big costs time, too small brain.
    """
    block = max(1, round(BLOCK_MM / spacing_mm))
    means = block_means(scaled, block)
    head = ndimage.binary_opening(means > HEAD_FRACTION * bright_level(means))
    labels, count = ndimage.label(head)
    if count == 0:
        return tuple(slice(0, size) for size in scaled.shape)  # type: ignore[return-value]
    sizes = np.bincount(labels.ravel())[1:]
    kept = np.flatnonzero(sizes >= SMALLEST_PART * sizes.max()) + 1
    margin = int(np.ceil(MARGIN_MM / spacing_mm))
    x, y, z = (
        slice(max(0, part.start * block - margin), min(size, part.stop * block + margin))
        for part, size in zip(bounding_box(np.isin(labels, kept)), scaled.shape, strict=True)
    )
    return x, y, z


def bright_level(blocks: np.ndarray) -> float:
    """Return the typical intensity of a head's bright blocks, infinite where there are none."""
    bright = blocks[blocks > blocks.mean()]
    return float(np.median(bright)) if bright.size else np.inf


def source_index_matrix(prepared: Prepared) -> np.ndarray:
    """Return what leads from voxel indices of the head to those of the scan, float64 (4, 4)."""
    step = prepared.spacing_mm / prepared.source_spacing_mm
    start = np.array([part.start for part in prepared.box])
    resampled, source = np.array(prepared.resampled_shape), np.array(prepared.source_shape)
    matrix = np.diag([*step, 1.0])  # both grids have the same centre
    matrix[:3, 3] = (start - (resampled - 1) / 2) * step + (source - 1) / 2
    return prepared.orientation.index_matrix(prepared.source_shape) @ matrix


def turned(prepared: Prepared, turn: Orientation) -> Prepared:
    """Turn the axes once more; `restore` still leads to the input's own grid."""
    axes = list(turn.axes)
    shape = tuple(prepared.resampled_shape[axis] for axis in axes)
    box = tuple(
        slice(size - part.stop, size - part.start) if flip else part
        for part, size, flip in zip(
            (prepared.box[axis] for axis in axes), shape, turn.flipped, strict=True
        )
    )
    return replace(
        prepared,
        head=np.ascontiguousarray(turn.apply(prepared.head)),
        box=box,  # type: ignore[arg-type]
        resampled_shape=shape,
        source_shape=tuple(prepared.source_shape[axis] for axis in axes),
        source_spacing_mm=prepared.source_spacing_mm[axes],
        orientation=then(prepared.orientation, turn),
    )


def restore(head_probability: np.ndarray, prepared: Prepared, block: int = 1) -> np.ndarray:
    """Bring a probability over the head's box back to the input's grid, linearly.

    It has the input's own shape and axes there, float32, in memory as files have them, and is zero
    outside the head. It may be given as one value for each block of so many voxels to a side.
    """
    shape = np.take(prepared.source_shape, np.argsort(prepared.orientation.axes))
    result = np.zeros(shape, dtype=np.float32, order="F")
    found = head_probability > 0
    if found.any():
        inner = bounding_box(found)
        x, y, z = (
            slice(
                outer.start + part.start * block, min(outer.start + part.stop * block, outer.stop)
            )
            for part, outer in zip(inner, prepared.box, strict=True)
        )
        part, box = resample_part(
            np.ascontiguousarray(head_probability[inner]),
            (x, y, z),
            prepared.resampled_shape,
            prepared.spacing_mm,
            prepared.source_spacing_mm,
            prepared.source_shape,
            block=block,
        )
        prepared.orientation.apply(result)[box] = part
    return result
