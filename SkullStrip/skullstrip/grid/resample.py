"""Separable linear resampling between a grid and the same field of view at another spacing.

Each axis is one small matrix, so that a whole head is three matrix products. Where the target is
coarser, the triangle widens with it (as in image libraries' antialiased resize), so that fine
noise does not alias.
"""

from __future__ import annotations

import math

import numpy as np

from .regions import Box

SAME_SPACING = 1e-3  # relative difference under which an axis is left as it is
FEW_SAMPLES, MORE_SAMPLES = 16, 64  # computed at a time; more along the axis nearest in memory


def resampled_length(length: int, spacing_mm: float, target_mm: float) -> int:
    """Return voxels at `target_mm` that cover `length` voxels at `spacing_mm`."""
    if abs(spacing_mm / target_mm - 1.0) < SAME_SPACING:
        return length
    return max(1, int(np.ceil(length * spacing_mm / target_mm - 1e-6)))


def interpolation_matrix(length: int, target_length: int, step: float) -> np.ndarray:
    """Return rows that interpolate `target_length` samples, `step` voxels apart.

    Both grids have the same centre. Samples beyond the ends repeat the end voxel. The matrix is
    float32, shape (target_length, length), and its rows sum to one.
    """
    positions = (np.arange(target_length) - (target_length - 1) / 2) * step + (length - 1) / 2
    positions = np.clip(positions, 0, length - 1)
    reach = max(1.0, step)
    weights = np.maximum(0.0, 1.0 - np.abs(positions[:, None] - np.arange(length)) / reach)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def resample_axis(array: np.ndarray, axis: int, matrix: np.ndarray) -> np.ndarray:
    """Apply an interpolation matrix along one axis of a 3-D float32 array.

    A few samples at a time, which few voxels make: nearly all of the matrix is zero. Along the
    middle axis these products are many, but too small for BLAS to share among threads, which would
    wait for each other where the machine has other work.
    """
    if array.strides[0] < array.strides[2]:  # as files have their voxels; copying takes longer
        return resample_axis(array.T, 2 - axis, matrix).T
    before, length, after = (
        math.prod(array.shape[:axis]),
        array.shape[axis],
        array.shape[axis + 1 :],
    )
    voxels = np.ascontiguousarray(array).reshape(before, length, -1)
    result = np.empty((before, len(matrix), voxels.shape[2]), dtype=np.float32)
    at_a_time = FEW_SAMPLES if after else MORE_SAMPLES
    for start in range(0, len(matrix), at_a_time):
        some = slice(start, start + at_a_time)
        columns = np.flatnonzero(matrix[some].any(axis=0))
        used = slice(columns[0], columns[-1] + 1)
        weights = matrix[some, used]
        if after:
            np.matmul(weights, voxels[:, used], out=result[:, some])
        else:
            np.matmul(voxels[:, used, 0], weights.T, out=result[:, some, 0])
    return result.reshape(*array.shape[:axis], len(matrix), *after)


def resample(
    array: np.ndarray,
    spacing_mm: np.ndarray,
    target_mm: np.ndarray,
    target_shape: tuple[int, ...] | None = None,
) -> np.ndarray:
    """Resample a 3-D array onto a grid with the same centre and axes, as float32.

    Spacings, shape (3,), are in mm. Without `target_shape` the result covers the same field of
    view. Axes whose length and spacing stay the same are not touched.
    """
    if target_shape is None:
        target_shape = tuple(map(resampled_length, array.shape, spacing_mm, target_mm))
    part = np.asarray(array, dtype=np.float32)
    whole = (slice(None), slice(None), slice(None))
    return resample_part(part, whole, array.shape, spacing_mm, target_mm, target_shape)[0]


def resample_part(
    part: np.ndarray,
    box: Box,
    shape: tuple[int, ...],
    spacing_mm: np.ndarray,
    target_mm: np.ndarray,
    target_shape: tuple[int, ...],
    *,
    block: int = 1,
) -> tuple[np.ndarray, Box]:
    """Resample a volume that is zero outside a box, and only what the box reaches.

    `part`, float32, are the volume's voxels in `box`, one for each block of so many voxels to a
    side, all of one value; shapes are those of the whole volume and of the whole result. Returned
    are the result's voxels in a box, float32, and that box; elsewhere the result is zero.
    """
    reached = list(box)
    for axis in range(3):
        step = float(target_mm[axis] / spacing_mm[axis])
        if target_shape[axis] == shape[axis] and abs(step - 1.0) < SAME_SPACING:
            if block > 1:
                voxels = np.arange(shape[axis])[box[axis]]
                part = part.take((voxels - voxels[0]) // block, axis)
            continue
        matrix = interpolation_matrix(shape[axis], target_shape[axis], step)[:, box[axis]]
        if block > 1:
            matrix = np.add.reduceat(matrix, np.arange(0, matrix.shape[1], block), axis=1)
        rows = np.flatnonzero(matrix.any(axis=1))
        reached[axis] = slice(int(rows[0]), int(rows[-1]) + 1)
        part = resample_axis(part, axis, matrix[reached[axis]])
    return part, (reached[0], reached[1], reached[2])
