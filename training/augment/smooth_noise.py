"""Smooth random fields over a slice."""

from __future__ import annotations

import numpy as np


def smooth_noise(size: tuple[int, ...], frequency: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise that varies over about 1 / `frequency` pixels.

    Parameters
    ----------
    size : tuple of int
        Height and width.
    frequency : float
        Control points a pixel.

    Returns
    -------
    ndarray of float32, shape (H, W)
        About unit spread.
    """
    import cv2

    height, width = (max(2, round(length * frequency)) for length in size)
    coarse = rng.standard_normal((height, width), dtype=np.float32)
    return cv2.resize(coarse, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
