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
    head = tissue(block_means(scaled, block))
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


def tissue(
    blocks: np.ndarray, structure: np.ndarray | None = None, fraction: float = HEAD_FRACTION
) -> np.ndarray:
    """Return where blocks of a head are brighter than a fraction of its bright ones.

    What a cross of three blocks, or `structure`, does not fit into is noise and left out. Bool,
    shape of `blocks`.
    """
    bright = blocks[blocks > blocks.mean()]
    if bright.size == 0:
        return np.zeros(blocks.shape, dtype=bool)
    return ndimage.binary_opening(blocks > fraction * np.median(bright), structure)
