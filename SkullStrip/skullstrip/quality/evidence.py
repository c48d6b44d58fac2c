"""What a mask is judged by: its probability at 2 mm, coronal slices, and where the image ends.

Small enough (about 5 MB) to be kept with the result, so that the map of how likely each voxel's
label is right can be made of it when somebody asks for it. It is taken before `border_mm` and
`keep_csf` change the mask: what is judged is what the network found.

The coronal slices are seen at full resolution. A mask of sagittal slices knows nothing of
them; one of three views has them among its slices, and shows by how much the others overruled them.
At 2 mm the network's own doubts outweigh what it says about the mask: of the same scans, stressed,
coarse looks agreed with good masks at Dice 0.5 to 0.98, fine ones at 0.93 to 0.98.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage
from scipy.special import expit

from ..grid.regions import block_means, opened
from ..grid.resample import resample_axis
from ..mask.postprocess import solid_mask
from ..network.brain_region import COARSE_MM, BrainRegion
from ..network.predict import (
    LEAST_PROBABILITY,
    Predict,
    Prediction,
    View,
    between_matrix,
    logit,
    predict_views,
)
from ..prepare.preprocess import (
    HEAD_FRACTION,
    Prepared,
    bright_level,
    restore,
    source_index_matrix,
)
from .calibration import Calibration

CORONAL = 1  # the axis along which those slices are stacked
APART_MM = 16.0  # no eye, 24 mm wide, falls between two slices
SIGNAL = 0.08  # of the bright blocks: tissue far from the coil has it, blanked voxels have not
BLUR_MM = 6.0  # a disagreement speaks for its surroundings
LEAST_DISAGREEMENT = 0.01
STRONG_DISAGREEMENT = 0.2  # hardly found around right masks
VOXELS_AT_A_TIME = 2**18  # the terms of a large scan's confidence take gigabytes


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

    @cached_property
    def mask(self) -> np.ndarray:
        """The mask that the probability gives, bool, of its shape."""
        return solid_mask(self.probability)


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


def disagreement_map(evidence: Evidence) -> np.ndarray:
    """Return where the coronal slices contradict the probability, in [0, 1], of its shape.

    The difference is blurred within those slices and interpolated linearly between them.
    """
    if len(evidence.coronal_places) == 0:
        return np.zeros_like(evidence.probability)
    apart = np.abs(
        np.moveaxis(evidence.coronal, 0, 1) - evidence.probability[:, evidence.coronal_places]
    )
    sigma = BLUR_MM / evidence.block_mm
    blurred = ndimage.gaussian_filter(apart, (sigma, 0, sigma))
    matrix = between_matrix(evidence.coronal_places, slice(0, evidence.probability.shape[1]))
    return resample_axis(blurred, 1, matrix)


def right_odds(
    probability: np.ndarray, disagreement: np.ndarray, calibration: Calibration
) -> np.ndarray:
    """Log odds that the more likely label is right; all arrays have one shape."""
    found = confidence_terms(probability, disagreement)
    return np.asarray(sum(calibration.confidence[name] * term for name, term in found.items()))


def confidence_terms(
    probability: np.ndarray, disagreement: np.ndarray
) -> dict[str, np.ndarray | float]:
    """Return what the log odds are a weighted sum of."""
    certainty = np.abs(logit(probability))
    contradiction = np.log(np.maximum(disagreement, LEAST_DISAGREEMENT) / LEAST_DISAGREEMENT)
    return {
        "constant": 1.0,
        "certainty": certainty,
        "disagreement": contradiction,
        "both": certainty * contradiction,
        "strong": np.maximum(disagreement - STRONG_DISAGREEMENT, 0.0),
    }


def confidence_map(
    probability: np.ndarray,
    evidence: Evidence,
    placement: Prepared,
    calibration: Calibration,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Confidence in every label of the mask as it was before border and CSF, float32 in [0, 1].

    It is on the scan's own grid, (I, J, K), as the probability is; `placement` is where the head
    lies in it, and `mask` that mask, where it is at hand. Where a label is not the likelier one (a
    piece removed, a hole filled), it is the complement of the other's.
    """
    block = round(evidence.block_mm / float(placement.spacing_mm[0]))
    disagreement = restore(disagreement_map(evidence), placement, block).ravel(order="F")
    labels = (solid_mask(probability) if mask is None else mask).ravel(order="F")
    likely = probability.ravel(order="F")
    nowhere = np.zeros((), dtype=np.float32)
    confidence = np.full_like(likely, expit(right_odds(nowhere, nowhere, calibration)))
    is_unsure = (likely > LEAST_PROBABILITY) & (likely < 1 - LEAST_PROBABILITY)
    is_unlikely = (likely >= 0.5) != labels
    tells = np.flatnonzero(is_unsure | is_unlikely | (disagreement > LEAST_DISAGREEMENT))
    for some in np.array_split(tells, 1 + len(tells) // VOXELS_AT_A_TIME):
        right = expit(right_odds(likely[some], disagreement[some], calibration))
        confidence[some] = np.where(is_unlikely[some], 1 - right, right)
    return confidence.reshape(probability.shape, order="F")
