"""What a mask is judged by: its probability at 2 mm, coronal slices, and where the image ends.

Small enough (about 5 MB) to be kept with the result, so that the confidence map can be made when
somebody asks for it. It is taken before `border_mm` and `keep_csf` change the mask: what is judged
is what the network found.

The coronal slices are seen at full resolution. A mask of sagittal slices knows nothing of
them; one of three views has them among its slices, and shows by how much the others overruled them.
At 2 mm the network's own doubts outweigh what it says about the mask: of the same scans, stressed,
coarse looks agreed with good masks at Dice 0.5 to 0.98, fine ones at 0.93 to 0.98.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..grid.regions import block_means, opened
from ..network.brain_region import COARSE_MM, BrainRegion
from ..network.predict import Predict, Prediction, View, predict_views
from ..prepare.head_box import HEAD_FRACTION, bright_level
from ..prepare.preprocess import Prepared, source_index_matrix

CORONAL = 1  # the axis along which those slices are stacked
APART_MM = 16.0  # no eye, 24 mm wide, falls between two slices
SIGNAL = 0.08  # of the bright blocks: tissue far from the coil has it, blanked voxels have not


@dataclass(frozen=True)
class Evidence:
    """Everything on the grid of the head (RAS+), in blocks of about 2 mm."""

    probability: np.ndarray  # float32, shape (a, b, c); the network's, mean of each block
    coronal: np.ndarray  # float32, shape (n, a, c); the network's, in coronal slices alone
    # int, shape (n,); positions of those slices along the second axis, in blocks.
    coronal_places: np.ndarray
    block_mm: float  # side of a block
    # bool, shape (3, 2); whether the image ends where these arrays do, at each axis' start and end.
    image_ends: np.ndarray
    tissue: np.ndarray  # bool, shape (a, b, c); what of the scan is no air
    signal: np.ndarray  # the same; what has any signal, however far from the coil
    to_ras: np.ndarray  # float64, shape (4, 4); block index to RAS mm
    other_ml: float = 0.0  # volume of what looked like a second brain

    @property
    def block_ml(self) -> float:
        """Volume of one block."""
        return self.block_mm**3 / 1000


def gather_evidence(
    prepared: Prepared,
    found: Prediction,
    affine: np.ndarray,
    predict: Predict,
    region: BrainRegion | None,
) -> Evidence:
    """Look at coronal slices, and keep what the verdict and the confidence need.

    The affine is the scan's; `predict` and `region` are as for `predict.predict_head`.
    """
    spacing_mm = float(prepared.spacing_mm[0])
    factor = max(1, round(COARSE_MM / spacing_mm))
    coronal = coronal_slices(prepared.head, found.views, spacing_mm, predict, region)
    head = whole_block_means(prepared.head, factor)
    level = bright_level(head)
    middle = np.diag([factor, factor, factor, 1.0])  # from a block to the voxel in its middle
    middle[:3, 3] = (factor - 1) / 2
    sides = zip(prepared.box, prepared.resampled_shape, strict=True)
    return Evidence(
        probability=whole_block_means(found.probability, factor),
        coronal=block_means(coronal.slices, (1, factor, factor)),
        coronal_places=coronal.places // factor,
        block_mm=factor * spacing_mm,
        image_ends=np.array([(part.start == 0, part.stop == size) for part, size in sides]),
        to_ras=affine @ source_index_matrix(prepared) @ middle,
        tissue=opened(head > HEAD_FRACTION * level),
        signal=opened(head > SIGNAL * level),
        other_ml=0.0 if region is None else region.other_ml,
    )


def coronal_slices(
    head: np.ndarray,
    views: Sequence[View],
    spacing_mm: float,
    predict: Predict,
    region: BrainRegion | None,
) -> View:
    """Return single coronal slices: those of the mask's own views, or else what is seen now."""
    apart = max(1, round(APART_MM / spacing_mm))
    for view in views:
        if view.axis == CORONAL:
            wanted = np.arange(view.places[0] + apart // 2, view.places[-1], apart)
            nearest = np.unique(np.searchsorted(view.places, wanted))
            return View(CORONAL, view.places[nearest], view.slices[nearest])
    extent = region.box()[CORONAL] if region else slice(0, head.shape[CORONAL])
    places = np.arange(extent.start + apart // 2, extent.stop, apart)
    return predict_views(head, [(CORONAL, places)], predict, region)[0]


def whole_block_means(array: np.ndarray, factor: int) -> np.ndarray:
    """Do as `block_means`, but average the last blocks over what they really hold."""
    means = block_means(array, factor)
    for axis, size in enumerate(array.shape):
        if size % factor:
            np.moveaxis(means, axis, 0)[-1] *= factor / (size % factor)
    return means
