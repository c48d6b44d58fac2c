"""A volume as the network's batches of slices, and back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def pad_to_multiple(volume: np.ndarray, multiple: int) -> np.ndarray:
    """Append air (zeros) to the last two axes up to the next multiple."""
    padding = [(0, 0)] + [(0, -size % multiple) for size in volume.shape[1:]]
    return np.pad(volume, padding)


def slice_stack(volume: np.ndarray, index: int, offset: int) -> np.ndarray:
    """One slice along the first axis with a neighbour on each side as channels.

    Parameters
    ----------
    volume : ndarray, shape (N, H, W)
    index : int
        The slice; neighbours beyond the ends repeat the end slice.
    offset : int
        Distance of the neighbours, in slices.

    Returns
    -------
    ndarray, shape (H, W, 3)
    """
    last = len(volume) - 1
    indices = [max(index - offset, 0), index, min(index + offset, last)]
    return np.moveaxis(volume[indices], 0, -1)


def slice_batches(
    volume: np.ndarray, batch_size: int, offset: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Every slice of a volume exactly once, in batches.

    Yields
    ------
    where : slice
        Which slices of the volume the batch holds.
    batch : ndarray of float32, shape (n, H, W, 3)
    """
    for start in range(0, len(volume), batch_size):
        stop = min(start + batch_size, len(volume))
        stacks = [slice_stack(volume, index, offset) for index in range(start, stop)]
        yield slice(start, stop), np.stack(stacks).astype(np.float32, copy=False)
