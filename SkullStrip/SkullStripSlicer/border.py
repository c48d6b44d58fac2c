"""The border, live: a mask's surface moved by any number of millimetres without the network."""

from __future__ import annotations

import threading

import numpy as np

from skullstrip.grid.regions import bounding_box, fill_holes, largest_component
from skullstrip.mask.postprocess import signed_distance_mm

MIN_BORDER_MM, MAX_BORDER_MM = -5.0, 10.0
MARGIN_MM = MAX_BORDER_MM + 2.0


class BorderField:
    """Signed distance to the surface of a brain mask, in a box around it.

    What `mask` gives is voxel for voxel what `postprocess.with_border` gives.
    `brainMask`, bool (I, J, K), is the one at border 0.
    """

    def __init__(self, brainMask: np.ndarray, volumeNode) -> None:
        self._spacingMm = np.array(volumeNode.GetSpacing())
        margin = tuple(int(np.ceil(MARGIN_MM / step)) + 1 for step in self._spacingMm)
        self._isEmpty, corner = not brainMask.any(), (slice(0, 1),) * 3
        self.box = corner if self._isEmpty else bounding_box(brainMask, margin)  # of all masks
        self.shape = brainMask.shape
        self.packed = ""  # the mask at border 0, for whoever has packed it
        self._base = brainMask[self.box].copy(order="K")
        self._distance: np.ndarray | None = None
        self._thread: threading.Thread | None = None

    def measureAhead(self) -> None:
        """Measure distances in the background, which takes two seconds on a 1 mm head."""
        if self._thread is None and self._distance is None and not self._isEmpty:
            self._thread = threading.Thread(target=self._measure, daemon=True)
            self._thread.start()

    def _measure(self) -> np.ndarray:
        self._distance = signed_distance_mm(self._base, self._spacingMm)
        return self._distance

    def mask(self, borderMm: float) -> np.ndarray:
        """Return the mask inside `box`, bool, its surface moved outwards by `borderMm`."""
        if self._isEmpty or borderMm == 0.0:
            return self._base
        if self._thread is not None:
            self._thread.join()
        distance = self._distance
        if distance is None:  # the thread failed, for want of memory perhaps: say so here
            distance = self._measure()
        return fill_holes(largest_component(distance <= borderMm))

    def whole(self, borderMm: float) -> np.ndarray:
        """Return the same mask on the image's whole grid, shape (I, J, K)."""
        return self.placed(self.mask(borderMm))

    def placed(self, mask: np.ndarray) -> np.ndarray:
        """Return a mask inside `box` on the whole grid, in Slicer's order of voxels in memory."""
        whole = np.zeros(self.shape[::-1], dtype=bool).transpose(2, 1, 0)
        whole[self.box] = mask
        return whole
