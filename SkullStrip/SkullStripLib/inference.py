"""Slice-wise prediction of a head, along one axis or fused over three.

Without a region every slice is predicted, whole. With one (see `brain_region`) every second slice
is, in a window around the brain, and the slices between come from their neighbours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .brain_region import BATCH_PIXELS, STRIDE, BrainRegion
from .slices import Window, pad_to_multiple, slice_batch

Predict = Callable[[np.ndarray], np.ndarray]
Progress = Callable[[str, int, int], None]

END_SLICES = 3  # brain reaches an end when it is in all of them; a speck is in one
LEAST_PROBABILITY = 1e-4  # so far from 0 and 1 before odds are formed


def predict_head(
    head: np.ndarray,
    predict: Predict,
    axes: tuple[int, ...] = (0,),
    offset: int = 1,
    progress: Progress | None = None,
    region: BrainRegion | None = None,
) -> np.ndarray:
    """Mean brain probability over the views along `axes`.

    Parameters
    ----------
    head : ndarray of float32, shape (X, Y, Z)
        Intensities in [0, 1].
    predict : callable
        (N, H, W, 3) float32 to (N, H, W, 1) float32; H and W are multiples of 32.
    axes : tuple of int
        Axes along which slices are stacked, one view each.
    offset : int
        Distance of the neighbours that a slice is seen with, in slices.
    progress : callable, optional
        Told after each batch: "predict", slices done, slices in all.
    region : BrainRegion, optional
        Where the brain can be; elsewhere the probability is 0.

    Returns
    -------
    ndarray of float32, shape (X, Y, Z)
    """
    total = sum(len(slices_to_predict(head.shape[axis], axis, region)) for axis in axes)
    done = 0

    def report(slices: int) -> None:
        nonlocal done
        done = min(done + slices, total)
        if progress is not None:
            progress("predict", done, total)

    probability = np.zeros(head.shape, dtype=np.float32)
    for axis in axes:
        probability += predict_axis(head, axis, predict, offset, report, region)
    return probability / len(axes)


def predict_axis(
    head: np.ndarray,
    axis: int,
    predict: Predict,
    offset: int,
    report: Callable[[int], None],
    region: BrainRegion | None = None,
) -> np.ndarray:
    """Brain probability from the slices along one axis.

    Where brain reaches the edge of its window or region, which therefore was too small, the
    batch's slices, or all of them, are predicted again, whole.

    Parameters
    ----------
    report : callable
        Told after each batch how many slices it had.

    Returns
    -------
    ndarray of float32, shape (X, Y, Z)
    """
    slices = np.moveaxis(head, axis, 0)
    whole = (slice(0, slices.shape[1]), slice(0, slices.shape[2]))
    chosen = slices_to_predict(len(slices), axis, region)
    batch_size = max(1, BATCH_PIXELS // pad_to_multiple(slices[:1], STRIDE).size)
    probability = np.zeros(slices.shape, dtype=np.float32)
    for start in range(0, len(chosen), batch_size):
        indices = chosen[start : start + batch_size]
        window = region.window(axis, indices[0], indices[-1] + 1) if region else whole
        found = predict_window(slices, indices, window, predict, offset)
        if reaches_edge(found, window, whole):
            window = whole
            found = predict_window(slices, indices, whole, predict, offset)
        probability[(indices, *window)] = found
        report(len(indices))
    if reaches_ends(probability, chosen):
        return predict_axis(head, axis, predict, offset, report)
    fill_between(probability, chosen)
    return np.moveaxis(probability, 0, axis)


def slices_to_predict(count: int, axis: int, region: BrainRegion | None) -> np.ndarray:
    """Indices of the slices that the network sees: all, or every second one of the region."""
    if region is None:
        return np.arange(count)
    part = region.box()[axis]
    return np.unique(np.append(np.arange(part.start, part.stop, 2), part.stop - 1))


def predict_window(
    slices: np.ndarray, indices: np.ndarray, window: Window, predict: Predict, offset: int
) -> np.ndarray:
    """Probability in the same window of several slices, shape (n, rows, columns)."""
    view = slices[(slice(None), *window)]
    height, width = view.shape[1:]
    batch = slice_batch(view, indices, offset)
    padded = [(0, 0), (0, -height % STRIDE), (0, -width % STRIDE), (0, 0)]
    return predict(np.pad(batch, padded))[:, :height, :width, 0]


def reaches_edge(found: np.ndarray, window: Window, whole: Window) -> bool:
    """Whether there is brain at an edge of the window behind which the slice goes on."""
    for axis, (part, full) in enumerate(zip(window, whole, strict=True), start=1):
        edges = np.moveaxis(found, axis, 0)
        if part.start > full.start and (edges[0] >= 0.5).any():
            return True
        if part.stop < full.stop and (edges[-1] >= 0.5).any():
            return True
    return False


def reaches_ends(probability: np.ndarray, predicted: np.ndarray) -> bool:
    """Whether brain goes on to the first or last predicted slice, behind which the head goes on."""
    has_brain = [bool((probability[index] >= 0.5).any()) for index in predicted]
    first, last = predicted[0], predicted[-1]
    return bool(
        (first > 0 and all(has_brain[:END_SLICES]))
        or (last < len(probability) - 1 and all(has_brain[-END_SLICES:]))
    )


def fill_between(probability: np.ndarray, predicted: np.ndarray) -> None:
    """Fill single slices between predicted ones, in place: the geometric mean of their odds.

    That is the mean of the network's logits. A mean of probabilities would put the surface where
    the more uncertain neighbour has it.
    """
    for before in predicted[:-1][np.diff(predicted) == 2]:
        pair = np.clip(probability[before : before + 3 : 2], LEAST_PROBABILITY, 1)
        brain = np.sqrt(pair[0] * pair[1])
        pair = np.maximum(1 - pair, LEAST_PROBABILITY)
        other = np.sqrt(pair[0] * pair[1])
        between = brain / (brain + other)
        probability[before + 1] = np.where(brain > LEAST_PROBABILITY, between, 0)
