"""How likely each voxel's label is right, from its probability and the coronal slices around it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.special import expit

from ..grid.resample import resample_axis
from ..mask.postprocess import solid_mask
from ..network.predict import LEAST_PROBABILITY, between_matrix, logit
from ..prepare.preprocess import Prepared, restore
from .calibration import Calibration
from .evidence import Evidence

BLUR_MM = 6.0  # a disagreement speaks for its surroundings
LEAST_DISAGREEMENT = 0.01
STRONG_DISAGREEMENT = 0.2  # hardly found around right masks
VOXELS_AT_A_TIME = 2**18  # the terms of a large scan's confidence take gigabytes


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
