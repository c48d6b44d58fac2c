"""A volume as the network's batches of slices."""

from __future__ import annotations

import numpy as np

Window = tuple[slice, slice]  # rows and columns of a slice


def pad_to_multiple(volume: np.ndarray, multiple: int) -> np.ndarray:
    """Append air (zeros) to the last two axes up to the next multiple."""
    padding = [(0, 0)] + [(0, -size % multiple) for size in volume.shape[1:]]
    return np.pad(volume, padding) if np.any(padding) else volume


def slice_batch(volume: np.ndarray, indices: np.ndarray, offset: int) -> np.ndarray:
    """Slices along the first axis, each with a neighbour on both sides as channels.

    Parameters
    ----------
    volume : ndarray, shape (N, H, W)
    indices : ndarray of int, shape (n,)
        The slices; neighbours beyond the ends repeat the end slice.
    offset : int
        Distance of the neighbours, in slices.

    Returns
    -------
    ndarray of float32, shape (n, H, W, 3)
    """
    batch = np.empty((len(indices), *volume.shape[1:], 3), dtype=np.float32)
    for channel, step in enumerate((-offset, 0, offset)):
        batch[..., channel] = volume[np.clip(indices + step, 0, len(volume) - 1)]
    return batch
