"""What a mask is measured by; each measure is one small function of arrays in blocks of 2 mm.

Axes run right, anterior, superior, as in the network's own grid.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..grid.regions import bounding_box, fill_holes, largest_component
from .evidence import Evidence
from .symmetry import asymmetry

SURE = 0.1  # a look is sure of a block when its probability is this near to 0 or 1
OPENING_MM = 4.0  # disagreements thinner than this are two opinions of one surface
SURFACE_BLOCKS = 1  # on both sides of the mask's surface
# Of a head's box, above the middle of its brain, is tissue: 0.32 to 0.43 in 26 real scans, 0.89 and
# more where air is salt and pepper.
AIRLESS_SHARE = 0.75


def solid_mask(probability: np.ndarray) -> np.ndarray:
    """Return the mask that the probability gives: largest piece, holes filled."""
    return fill_holes(largest_component(probability >= 0.5))


def measure(evidence: Evidence, mask: np.ndarray | None = None) -> dict[str, float]:
    """Return every measure by its name.

    They are in the units that the names end in; areas over volumes, Dice and shares have none.
    Another mask than what the probability gives may be judged; it must have that shape and not be
    empty.
    """
    solid = solid_mask(evidence.probability)
    judged = solid if mask is None else mask
    return measure_mask(evidence, judged) | measure_doubts(evidence, judged, solid)


def measure_mask(evidence: Evidence, mask: np.ndarray) -> dict[str, float]:
    """Return the measures that do not look at the network's probability."""
    near = mask[bounding_box(mask, (3, 3, 3))]
    return {
        "volume_ml": float(np.count_nonzero(near)) * evidence.block_ml,
        "edge_share": edge_share(mask, evidence.image_ends),
        "asymmetry": asymmetry(near),
        "roughness": roughness(near),
        "second_dice": second_dice(evidence, mask),
        "second_own_dice": expected_dice(evidence.second, evidence.second >= 0.5),
        "disagreement_cm2": disagreement_cm2(evidence, mask),
        "bare_cm2": bare_cm2(evidence, mask),
        "head_share": head_share(evidence.tissue, mask),
        "other_ml": evidence.other_ml,
    }


def measure_doubts(evidence: Evidence, mask: np.ndarray, solid: np.ndarray) -> dict[str, float]:
    """Return the measures that do; `solid` is what `solid_mask` makes of the probability."""
    probability = evidence.probability
    box = bounding_box(mask, (3, 3, 3))
    return {
        "removed_ml": removed_ml(probability, solid, evidence.block_ml),
        "own_dice": expected_dice(probability, mask),
        "surface_entropy": surface_entropy(probability[box], mask[box]),
    }


def edge_share(mask: np.ndarray, image_ends: np.ndarray) -> float:
    """Return the mask in the outermost slices, as a share of the largest along that axis."""
    shares = [0.0]
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        areas = np.count_nonzero(mask, axis=others)
        at_ends = np.where(image_ends[axis], areas[[0, -1]], 0)
        shares.append(float(at_ends.max() / areas.max()))
    return max(shares)


def removed_ml(probability: np.ndarray, solid: np.ndarray, block_ml: float) -> float:
    """Return the volume of the pieces that were removed and of the holes that were filled."""
    return float(np.count_nonzero((probability >= 0.5) != solid)) * block_ml


def roughness(mask: np.ndarray) -> float:
    """Surface area over volume^(2/3): 4.84 for a ball, more for a rough or dented surface.

    The area is the integral of the gradient's length, of the mask smoothed by one block.
    """
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), 1.0, mode="nearest", truncate=2.5)
    slopes = np.gradient(smooth)
    area = float(np.sqrt(sum(slope * slope for slope in slopes)).sum())
    return area / float(np.count_nonzero(mask)) ** (2 / 3)


def expected_dice(probability: np.ndarray, mask: np.ndarray) -> float:
    """Return the mask's Dice if the probability is taken at its word; 1 if both are empty."""
    inside = float(probability[mask].sum())
    total = float(probability.sum()) + float(np.count_nonzero(mask))
    return 2.0 * inside / total if total else 1.0


def surface_entropy(probability: np.ndarray, mask: np.ndarray) -> float:
    """Return the mean entropy in bits of the probability next to the mask's surface."""
    grown = ndimage.binary_dilation(mask, iterations=SURFACE_BLOCKS)
    shell = grown & ~ndimage.binary_erosion(mask, iterations=SURFACE_BLOCKS, border_value=1)
    p = np.clip(probability[shell].astype(np.float64), 1e-6, 1 - 1e-6)
    return float(np.mean(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))) if p.size else 0.0


def second_dice(evidence: Evidence, mask: np.ndarray) -> float:
    """Dice of the mask with the second look, over the slices of that look."""
    judged = mask_in_slices(evidence, mask)
    second = evidence.second >= 0.5
    total = int(np.count_nonzero(judged)) + int(np.count_nonzero(second))
    return 2.0 * int(np.count_nonzero(judged & second)) / total if total else 0.0


def disagreement_cm2(evidence: Evidence, mask: np.ndarray) -> float:
    """Area of the largest place in a slice where the second look is sure that the mask is wrong."""
    largest = largest_disagreement(evidence, mask)
    return float(np.count_nonzero(largest)) * evidence.block_mm**2 / 100


def largest_disagreement(evidence: Evidence, mask: np.ndarray) -> np.ndarray:
    """Return that place, bool, shape of `evidence.second`."""
    judged = mask_in_slices(evidence, mask)
    wrong = np.where(judged, evidence.second < SURE, evidence.second > 1 - SURE)
    radius = max(1, round(OPENING_MM / 2 / evidence.block_mm))
    cross = ndimage.generate_binary_structure(3, 1)
    cross[[0, 2]] = False  # within each slice
    return largest_component(ndimage.binary_opening(wrong, cross, iterations=radius), cross)


def bare_cm2(evidence: Evidence, mask: np.ndarray) -> float:
    """Area, seen from one side, where nothing of the head lies over the mask.

    A brain is bare where a stripped scan ends, or one part of which was blanked.
    """
    return float(np.count_nonzero(largest_bare(evidence, mask))) * evidence.block_mm**2 / 100


def largest_bare(evidence: Evidence, mask: np.ndarray) -> np.ndarray:
    """Return the mask's surface blocks there, bool, shape of the mask; of the barest side."""
    around = evidence.signal & ~mask
    sides = []
    for axis in range(3):
        for turn in (np.asarray, lambda array, axis=axis: np.flip(array, axis)):
            last = _last(turn(mask), axis)
            bare = (last >= 0) & (_last(turn(around), axis) <= last + 1)
            sides.append((axis, turn, last, ndimage.binary_opening(bare, iterations=2)))
    axis, turn, last, bare = max(sides, key=lambda side: np.count_nonzero(side[-1]))
    found = np.zeros(mask.shape, dtype=bool)
    surface = np.expand_dims(np.maximum(last, 0), axis)
    np.put_along_axis(turn(found), surface, np.expand_dims(bare, axis), axis)
    return found


def _last(array: np.ndarray, axis: int) -> np.ndarray:
    """Index of the last true element along an axis; -1 where there is none."""
    last = array.shape[axis] - 1 - np.argmax(np.flip(array, axis), axis=axis)
    return np.where(array.any(axis=axis), last, -1)


def head_share(tissue: np.ndarray, mask: np.ndarray) -> float:
    """Return the mask's share of the head above the mask's middle, where no face or neck is.

    A place is in the head where tissue lies on both sides of it, along X and along Y. Where air
    looks like tissue, as the salt and pepper of MP2RAGE, nothing can be told, and 1 is returned.
    """
    middle = round(float(np.average(np.arange(mask.shape[2]), weights=mask.sum(axis=(0, 1)))))
    solid, brain = tissue[:, :, middle:], mask[:, :, middle:]
    if solid.mean() > AIRLESS_SHARE:
        return 1.0
    solid = largest_component(ndimage.binary_opening(solid)) | brain  # no specks of noise
    head = _between(solid, 0) & _between(solid, 1)
    return int(np.count_nonzero(brain)) / max(1, int(np.count_nonzero(head)))


def _between(array: np.ndarray, axis: int) -> np.ndarray:
    """Return where true elements are on both sides along an axis, or here."""
    before = np.logical_or.accumulate(array, axis)
    return before & np.flip(np.logical_or.accumulate(np.flip(array, axis), axis), axis)


def mask_in_slices(evidence: Evidence, mask: np.ndarray) -> np.ndarray:
    """Return the mask in the slices of the second look, shape of `evidence.second`."""
    return np.moveaxis(mask[:, evidence.places], 1, 0)
