"""Where the head is, so that air is not predicted.

Errs on the large side: a box that is too big costs time, one that is too small costs brain.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..grid.regions import Box, block_means, bounding_box

MARGIN_MM = 12.0
BLOCK_MM = 4.0  # blocks are averaged first, so that noise in the air does not count
HEAD_FRACTION = 0.25  # of the typical bright block: between air and the darkest tissue
SMALLEST_PART = 0.02  # pieces under this share of the largest one are noise


def head_bounding_box(scaled: np.ndarray, spacing_mm: float) -> Box:
    """Bounding box of everything that is not air, widened by a margin.

    Intensities, float32 (X, Y, Z), are in [0, 1], on an isotropic grid. Where nothing stands out,
    the box is the whole volume.
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
