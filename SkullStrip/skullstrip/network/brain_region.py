"""Where the brain can be, so that the fine pass predicts nothing else.

The network itself finds out: a quick look at every fourth slice of the head at 2 mm. What it takes
for brain is widened by a margin; where brain reaches an end of that after all, it grows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..grid.regions import Box, block_means, bounding_box, largest_component
from .engine import LEAST_SIZE

Window = tuple[slice, slice]  # rows and columns of a slice
COARSE_MM = 2.0
COARSE_STEP = 4  # coarse slices from one look to the next: 8 mm
MARGIN_MM = 9.0  # the look missed at most 6 mm of the masks of 157 heads
SMALLEST_ML = 100.0  # finding less brain than this, the look has failed
MULTIPLE = 8  # of voxels, that a window has: the network is slower at sizes between
BATCH_PIXELS = 8 * 256 * 256  # bounds the memory of one batch whatever the head's size


@dataclass(frozen=True)
class BrainRegion:
    """Blocks of the head that hold brain, as far as the coarse pass can tell."""

    blocks: np.ndarray  # bool, shape (a, b, c)
    block: tuple[int, int, int]  # voxels of the head along each side of a block
    margin: int  # voxels around the blocks that belong to the region
    shape: tuple[int, ...]  # shape of the head
    # Volume of the second largest piece that looked like brain, which is left out.
    other_ml: float = 0.0

    def box(self) -> Box:
        """Return voxels that hold the whole region."""
        x, y, z = map(self._extent, self._ends, range(3))
        return x, y, z

    def window(self, axis: int, start: int, stop: int) -> Window:
        """Return the region's part in the slices from `start` to `stop` along an axis.

        It is around the blocks that are a third of the margin away, or else the nearest.
        """
        block, reach, ends = self.block[axis], self.margin // 3, self._ends[axis]
        first = min(max(0, start - reach) // block, ends.stop - 1)
        last = max(-(-(stop + reach) // block), ends.start + 1)
        near = np.asarray(np.moveaxis(self.blocks, axis, 0)[first:last].any(axis=0))
        others = [other for other in range(3) if other != axis]
        rows, columns = map(self._extent, bounding_box(near, (0, 0)), others)
        return to_multiple(rows, self.shape[others[0]]), to_multiple(columns, self.shape[others[1]])

    def grown(self, axis: int, at_stop: bool) -> BrainRegion:
        """Return the region with twice its margin more on one side, as wide as it ends there."""
        blocks = self.blocks.copy()
        along = np.moveaxis(blocks, axis, 0)
        if not at_stop:
            along = along[::-1]
        last = bounding_box(along)[0].stop
        layers = -(-2 * self.margin // self.block[axis])
        along[last : last + layers] = along[max(0, last - layers) : last].any(axis=0)
        return replace(self, blocks=blocks)

    @cached_property
    def _ends(self) -> Box:
        return bounding_box(self.blocks)

    def _extent(self, found: slice, axis: int) -> slice:
        block = self.block[axis]
        return slice(
            max(0, found.start * block - self.margin),
            min(self.shape[axis], found.stop * block + self.margin),
        )


def to_multiple(extent: slice, size: int) -> slice:
    """Lengthen a slice on both sides to a multiple of 8, as far as an axis of `size` allows."""
    length = max(extent.stop - extent.start, LEAST_SIZE)
    length = min(size, length + -length % MULTIPLE)
    start = extent.start - (length - (extent.stop - extent.start)) // 2
    start = min(max(0, start), size - length)
    return slice(start, start + length)


def find_brain_region(
    head: np.ndarray, spacing_mm: float, predict: Callable[[np.ndarray], np.ndarray]
) -> BrainRegion | None:
    """Look for the brain at 2 mm, in sagittal slices 8 mm apart.

    The head, float32 (X, Y, Z), is isotropic, its intensities in [0, 1]. None is returned where its
    grid is as coarse itself, or too little brain was found.
    """
    factor = round(COARSE_MM / spacing_mm)
    if factor < 2:
        return None
    coarse = block_means(head, factor)
    looked_at = np.arange(COARSE_STEP // 2, len(coarse), COARSE_STEP)
    size = max(1, BATCH_PIXELS // coarse[0].size)
    brain = np.zeros((len(looked_at), *coarse.shape[1:]), dtype=bool)
    for start in range(0, len(looked_at), size):
        batch = slice_batch(coarse, looked_at[start : start + size])
        brain[start : start + size] = predict(batch)[..., 0] >= 0.5
    largest = largest_component(brain)
    block_ml = COARSE_STEP * (factor * spacing_mm) ** 3 / 1000
    if np.count_nonzero(largest) * block_ml < SMALLEST_ML:
        return None
    other_ml = np.count_nonzero(largest_component(brain & ~largest)) * block_ml
    block = (COARSE_STEP * factor, factor, factor)
    return BrainRegion(largest, block, int(np.ceil(MARGIN_MM / spacing_mm)), head.shape, other_ml)


def slice_batch(volume: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Slices along the first axis, each with its neighbours on both sides as channels.

    Of a volume (N, H, W), those at `indices` become (n, H, W, 3) float32. Beyond the ends
    neighbours repeat the end slice.
    """
    batch = np.empty((len(indices), *volume.shape[1:], 3), dtype=np.float32)
    for channel, step in enumerate((-1, 0, 1)):
        batch[..., channel] = volume[np.clip(indices + step, 0, len(volume) - 1)]
    return batch
