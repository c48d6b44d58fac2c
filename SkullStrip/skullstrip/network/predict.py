"""Slice-wise prediction of a head, along one axis or fused over three.

Without a region every slice is predicted, whole. With one (see `brain_region`) every third slice
is, in a window around the brain, and the slices between come from their neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from ..grid.regions import largest_component
from .brain_region import BATCH_PIXELS, STRIDE, BrainRegion
from .slices import Window, pad_to_multiple, slice_batch

Predict = Callable[[np.ndarray], np.ndarray]
Progress = Callable[[str, int, int], None]

STEP = 3  # slices from one that is predicted in a region to the next
END_SLICES = 4  # brain reaches an end when it is in all of them; what bulges is in one or two
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

    Where the brain goes on to an end of its region, which therefore was too small, all is predicted
    again without a region.

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
    probability /= len(axes)
    if region is not None and reaches_ends(probability, axes, region):
        return predict_head(head, predict, axes, offset, progress)
    return probability


def predict_axis(
    head: np.ndarray,
    axis: int,
    predict: Predict,
    offset: int,
    report: Callable[[int], None],
    region: BrainRegion | None = None,
) -> np.ndarray:
    """Brain probability from the slices along one axis.

    Where brain reaches the edge of its window, which therefore was too small, the batch's slices
    are predicted again, whole.

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
    fill_between(probability, chosen)
    return np.moveaxis(probability, 0, axis)


def slices_to_predict(count: int, axis: int, region: BrainRegion | None) -> np.ndarray:
    """Indices of the slices that the network sees: all, or every third one of the region."""
    if region is None:
        return np.arange(count)
    part = region.box()[axis]
    return np.unique(np.append(np.arange(part.start, part.stop, STEP), part.stop - 1))


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


def reaches_ends(probability: np.ndarray, axes: tuple[int, ...], region: BrainRegion) -> bool:
    """Whether the brain goes on to an end of the region, behind which the head goes on.

    One piece of brain, that is: a network sees some in front of the frontal pole now and then.
    """
    box = region.box()
    brain = largest_component(probability[box] >= 0.5)
    for axis in axes:
        slices = np.moveaxis(brain, axis, 0)
        has_brain = np.asarray(slices.any(axis=(1, 2)))
        if box[axis].start > 0 and has_brain[:END_SLICES].all():
            return True
        if box[axis].stop < probability.shape[axis] and has_brain[-END_SLICES:].all():
            return True
    return False


def fill_between(probability: np.ndarray, predicted: np.ndarray) -> None:
    """Fill the slices between predicted ones, in place: their logits, interpolated linearly.

    Probabilities, interpolated, would put the surface where the more uncertain neighbour has it.
    """
    for before, after in pairwise(predicted):
        if after == before + 1:
            continue
        somewhere = np.maximum(probability[before], probability[after]) > LEAST_PROBABILITY
        first, last = (logit(probability[index][somewhere]) for index in (before, after))
        for between in range(before + 1, after):
            share = np.float32((between - before) / (after - before))
            probability[between][somewhere] = expit((1 - share) * first + share * last)


def logit(probability: np.ndarray) -> np.ndarray:
    """Logarithm of the odds, kept finite."""
    kept = np.clip(probability, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.asarray(np.log(kept / (1 - kept)))


def expit(logits: np.ndarray) -> np.ndarray:
    """Probability, from the logarithm of the odds."""
    return np.asarray(1 / (1 + np.exp(-logits)))
