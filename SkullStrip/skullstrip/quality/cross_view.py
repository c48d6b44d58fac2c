"""A second opinion on the mask: coronal slices, at full resolution.

A mask of sagittal slices knows nothing of them; one of three views has them among its slices, and
shows by how much the others overruled them. At 2 mm the network's own doubts outweigh what it says
about the mask: of the same scans, stressed, coarse looks agreed with good masks at Dice 0.5 to
0.98, fine ones at 0.93 to 0.98.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..network.brain_region import BrainRegion
from ..network.predict import Predict, View, predict_view

AXIS = 1  # coronal
APART_MM = 16.0  # no eye, 24 mm wide, falls between two slices


def cross_view(
    head: np.ndarray,
    views: Sequence[View],
    spacing_mm: float,
    *,
    predict: Predict,
    offset: int,
    region: BrainRegion | None,
) -> View:
    """Return single coronal slices: those of the mask's own views, or else what is seen now.

    Parameters
    ----------
    head : ndarray of float32, shape (X, Y, Z)
        Intensities in [0, 1].
    views : sequence of View
        What the mask was made of.
    spacing_mm : float
        Isotropic.
    predict, offset, region
        As for `predict.predict_head`.
    """
    apart = max(1, round(APART_MM / spacing_mm))
    for view in views:
        if view.axis == AXIS:
            wanted = np.arange(view.places[0] + apart // 2, view.places[-1], apart)
            nearest = np.unique(np.searchsorted(view.places, wanted))
            return View(AXIS, view.places[nearest], view.slices[nearest])
    extent = region.box()[AXIS] if region else slice(0, head.shape[AXIS])
    places = np.arange(extent.start + apart // 2, extent.stop, apart)
    return predict_view(
        head, AXIS, places, predict, offset, report=lambda _slices: None, region=region
    )
