"""Slice-wise prediction of a head, along one axis or fused over three."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .slices import pad_to_multiple, slice_batches

Predict = Callable[[np.ndarray], np.ndarray]
Progress = Callable[[str, int, int], None]

STRIDE = 32  # the encoder halves its input five times
BATCH_PIXELS = 8 * 256 * 256  # bounds the memory of one batch whatever the head's size


def predict_axis(
    head: np.ndarray, axis: int, predict: Predict, offset: int, report: Callable[[int], None]
) -> np.ndarray:
    """Brain probability from the slices along one axis.

    Parameters
    ----------
    head : ndarray of float32, shape (X, Y, Z)
        Intensities in [0, 1].
    predict : callable
        (N, H, W, 3) float32 to (N, H, W, 1) float32; H and W are multiples of 32.
    report : callable
        Told after each batch how many slices it had.

    Returns
    -------
    ndarray of float32, shape (X, Y, Z)
    """
    slices = np.moveaxis(head, axis, 0)
    count, height, width = slices.shape
    padded = pad_to_multiple(slices, STRIDE)
    batch_size = max(1, BATCH_PIXELS // (padded.shape[1] * padded.shape[2]))
    probability = np.empty((count, height, width), dtype=np.float32)
    for where, batch in slice_batches(padded, batch_size, offset):
        probability[where] = predict(batch)[:, :height, :width, 0]
        report(where.stop - where.start)
    return np.moveaxis(probability, 0, axis)


def predict_head(
    head: np.ndarray,
    predict: Predict,
    axes: tuple[int, ...] = (0,),
    offset: int = 1,
    progress: Progress | None = None,
) -> np.ndarray:
    """Mean brain probability over the views along `axes`.

    Returns
    -------
    ndarray of float32, shape (X, Y, Z)
    """
    total = sum(head.shape[axis] for axis in axes)
    done = 0

    def report(slices: int) -> None:
        nonlocal done
        done += slices
        if progress is not None:
            progress("predict", done, total)

    probability = np.zeros(head.shape, dtype=np.float32)
    for axis in axes:
        probability += predict_axis(head, axis, predict, offset, report)
    return probability / len(axes)
