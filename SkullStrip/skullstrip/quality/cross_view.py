"""A second opinion on the mask: the network looks again, along another axis.

The mask comes from sagittal slices. A few coronal ones, at full resolution, know nothing of it. At
2 mm the network's own doubts outweigh what it says about the mask: of the same scans, stressed,
coarse looks agreed with good masks at Dice 0.5 to 0.98, fine ones at 0.93 to 0.98.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..network.brain_region import BATCH_PIXELS, STRIDE, BrainRegion
from ..network.slices import pad_to_multiple, slice_batch

AXIS = 1  # coronal
APART_MM = 16.0  # no eye, 24 mm wide, falls between two slices


def cross_view_probability(
    head: np.ndarray,
    predict: Callable[[np.ndarray], np.ndarray],
    offset: int,
    region: BrainRegion | None,
    places: np.ndarray,
) -> np.ndarray:
    """Brain probability of single coronal slices.

    Parameters
    ----------
    head : ndarray of float32, shape (X, Y, Z)
        Intensities in [0, 1].
    predict : callable
        (N, H, W, 3) float32 to (N, H, W, 1) float32.
    offset : int
        Distance of the neighbours that a slice is seen with.
    region : BrainRegion, optional
        Where the brain can be; elsewhere the probability is 0.
    places : ndarray of int, shape (n,)
        Positions of the slices along Y.

    Returns
    -------
    ndarray of float32, shape (n, X, Z)
    """
    slices = np.moveaxis(head, AXIS, 0)
    found = np.zeros((len(places), *slices.shape[1:]), dtype=np.float32)
    if len(places) == 0:
        return found
    window = (slice(None), slice(None))
    if region is not None:
        window = region.window(AXIS, int(places[0]), int(places[-1]) + 1)
    view = pad_to_multiple(slices[(slice(None), *window)], STRIDE)
    height, width = found[(slice(None), *window)].shape[1:]
    size = max(1, BATCH_PIXELS // view[0].size)
    for start in range(0, len(places), size):
        batch = slice_batch(view, places[start : start + size], offset)
        found[(slice(start, start + size), *window)] = predict(batch)[:, :height, :width, 0]
    return found
