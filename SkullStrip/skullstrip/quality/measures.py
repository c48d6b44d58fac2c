"""What a mask is measured by, in blocks of 2 mm, and where in the scan a doubt about it is.

Axes run right, anterior, superior, as in the network's own grid.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from ..grid.regions import bounding_box, dice, largest_component
from .evidence import Evidence

SURE = 0.1  # a look is sure of a block when its probability is this near to 0 or 1
OPENING_MM = 4.0  # disagreements thinner than this are two opinions of one surface
SURFACE_BLOCKS = 1  # on both sides of the mask's surface
# Of a head's box, above the middle of its brain, is tissue: 0.32 to 0.43 in 26 real scans, 0.89 and
# more where air is salt and pepper.
AIRLESS_SHARE = 0.75
# A straight, right mask differs by 0.02 to 0.04 from its mirror image; from here on it is worth
# 0.1 s to look for a better plane.
WORTH_A_SEARCH = 0.045
# Of the plane's normal from the left-right axis: heads that lie further round are turned first.
SEARCHED_DEGREES = np.arange(-40.0, 41.0, 10.0)
COARSE_POINTS, FINE_POINTS = 1500, 3000
FIRST_STEP = (np.deg2rad(6.0), np.deg2rad(6.0), 2.0)
FINEST_TURN = 0.003


def measure(evidence: Evidence, mask: np.ndarray | None = None) -> dict[str, float]:
    """Return every measure of a mask by its name, which ends in the unit, if it has one.

    The mask, not empty, is by default what the probability gives, and has its shape.
    """
    probability, solid = evidence.probability, evidence.mask
    mask = solid if mask is None else mask
    box = bounding_box(mask, (3, 3, 3))
    block_ml, block_cm2 = evidence.block_ml, evidence.block_mm**2 / 100
    contradicted, bare = largest_disagreement(evidence, mask), largest_bare(evidence, mask)
    removed = (probability >= 0.5) != solid  # pieces taken away and holes filled
    in_slices, coronal = mask_in_slices(evidence, mask), evidence.coronal >= 0.5
    return {
        "volume_ml": float(np.count_nonzero(mask)) * block_ml,
        "edge_share": edge_share(mask, evidence.image_ends),
        "asymmetry": asymmetry(mask[box]),
        "roughness": roughness(mask[box]),
        # Slices that miss the mask confirm nothing of it.
        "second_dice": dice(in_slices, coronal) if in_slices.any() else 0.0,
        "second_own_dice": expected_dice(evidence.coronal, coronal),
        "disagreement_cm2": float(np.count_nonzero(contradicted)) * block_cm2,
        "bare_cm2": float(np.count_nonzero(bare)) * block_cm2,
        "head_share": head_share(evidence.tissue, mask),
        "other_ml": evidence.other_ml,
        "removed_ml": float(np.count_nonzero(removed)) * block_ml,
        "own_dice": expected_dice(probability, mask),
        "surface_entropy": surface_entropy(probability[box], mask[box]),
    }


def edge_share(mask: np.ndarray, image_ends: np.ndarray) -> float:
    """Return the mask in the outermost slices, as a share of the largest along that axis."""
    shares = []
    for others, ends in zip(((1, 2), (0, 2), (0, 1)), image_ends, strict=True):
        areas = np.count_nonzero(mask, axis=others)
        shares.append(float(np.where(ends, areas[[0, -1]], 0).max() / areas.max()))
    return max(shares)


def asymmetry(mask: np.ndarray) -> float:
    """Share of a mask that its mirror image misses (1 - Dice), across its own mid-plane.

    The mask, bool (X, Y, Z), is isotropic and not empty; X runs from left to right or back.
    """
    straight = sheared_asymmetry(mask)
    if straight <= WORTH_A_SEARCH:
        return straight
    return min(straight, mirrored_asymmetry(mask))


def sheared_asymmetry(mask: np.ndarray) -> float:
    """`asymmetry` across the plane through the middles of all rows, mirrored along the rows.

    Quick, and right for heads that are hardly turned: rows of a turned head cross its mid-plane at
    a slant, which shears the mirror image.
    """
    count = mask.sum(axis=0)
    rows = np.nonzero(count)
    x = np.arange(len(mask))
    middle = np.einsum("x,xyz->yz", x, mask)[rows] / count[rows]
    terms = np.stack([np.ones(len(middle)), *rows], axis=1)
    weight = np.sqrt(count[rows])
    plane = np.linalg.lstsq(weight[:, None] * terms, weight * middle, rcond=None)[0]
    y, z = np.indices(mask.shape[1:])
    mirrored_x = np.rint(2 * (plane[0] + plane[1] * y + plane[2] * z) - x[:, None, None])
    inside = (mirrored_x >= 0) & (mirrored_x < len(mask))
    index = np.where(inside, mirrored_x, 0).astype(np.intp)
    mirrored = inside & mask[index, y, z]
    return 1.0 - dice(mask, mirrored)


def mirrored_asymmetry(mask: np.ndarray) -> float:
    """`asymmetry` across the plane that leaves the least of it.

    All planes through the middle are tried in steps of 10 degrees, then the best is improved. A
    plane has two angles of its normal in radians, and its distance from the middle in voxels.
    """
    voxels = np.argwhere(mask)
    middle = voxels.mean(axis=0)
    points = voxels - middle

    def missed(plane: np.ndarray, some: np.ndarray) -> float:
        yaw, roll, distance = plane
        normal = np.array([np.cos(yaw) * np.cos(roll), np.sin(yaw) * np.cos(roll), np.sin(roll)])
        images = some - 2 * (some @ normal - distance)[:, None] * normal + middle
        index = np.rint(images).astype(np.intp)
        inside = ((index >= 0) & (index < mask.shape)).all(axis=1)
        hit = mask[tuple(np.where(inside[:, None], index, 0).T)] & inside
        return 1.0 - float(hit.mean())

    few = points[:: max(1, len(points) // COARSE_POINTS)]
    angles = np.deg2rad(SEARCHED_DEGREES)
    planes = [np.array([yaw, roll, 0.0]) for yaw in angles for roll in angles]
    plane = min(planes, key=lambda plane: missed(plane, few))
    more = points[:: max(1, len(points) // FINE_POINTS)]
    steps, best = np.diag(FIRST_STEP), missed(plane, more)
    while steps[0, 0] > FINEST_TURN:
        beside = [plane + step for step in (*steps, *-steps)]
        found = [missed(each, more) for each in beside]
        if min(found) < best:
            plane, best = beside[int(np.argmin(found))], min(found)
        else:
            steps /= 2
    return missed(plane, points)


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


def largest_disagreement(evidence: Evidence, mask: np.ndarray) -> np.ndarray:
    """Return the largest place in a coronal slice that is sure that the mask is wrong."""
    judged = mask_in_slices(evidence, mask)
    wrong = np.where(judged, evidence.coronal < SURE, evidence.coronal > 1 - SURE)
    radius = max(1, round(OPENING_MM / 2 / evidence.block_mm))
    cross = ndimage.generate_binary_structure(3, 1)
    cross[[0, 2]] = False  # within each slice
    largest = largest_component(ndimage.binary_opening(wrong, cross, iterations=radius), cross)
    place = np.zeros(mask.shape, dtype=bool)
    place[:, evidence.coronal_places] = np.moveaxis(largest, 0, 1)
    return place


def largest_bare(evidence: Evidence, mask: np.ndarray) -> np.ndarray:
    """Return the mask's surface, seen from the barest side, over which nothing of the head lies.

    A brain is bare where a stripped scan ends, or part of one was blanked.
    """
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
    """Return a mask in the coronal slices, shape of `evidence.coronal`."""
    return np.moveaxis(mask[:, evidence.coronal_places], 1, 0)


def cut_edge(evidence: Evidence, mask: np.ndarray) -> np.ndarray:
    """Return the largest part of the mask in an outermost slice of the image."""
    faces = [np.zeros(mask.shape, dtype=bool)]
    for axis, ends in enumerate(evidence.image_ends):
        for at in np.array([0, -1])[ends]:
            face, edge = np.zeros(mask.shape, dtype=bool), (*[slice(None)] * axis, at)
            face[edge] = mask[edge]
            faces.append(largest_component(face))
    return max(faces, key=np.count_nonzero)


# What a reason of the verdict is about.
_PLACES: dict[str, Callable[[Evidence, np.ndarray], np.ndarray]] = {
    "second_look": largest_disagreement,
    "dice_low": largest_disagreement,  # a wrong mask is usually contradicted there
    "brain_bare": largest_bare,
    "brain_cut": cut_edge,
    "pieces_removed": lambda evidence, mask: largest_component(
        (evidence.probability >= 0.5) != mask
    ),
}


def position_of(
    code: str, evidence: Evidence, mask: np.ndarray
) -> tuple[float, float, float] | None:
    """Return where to look for a reason of the verdict, in RAS mm; None if it is about no place.

    It is the block of the place that is nearest to its middle.
    """
    if code not in _PLACES or not (place := _PLACES[code](evidence, mask)).any():
        return None
    blocks = np.argwhere(place)
    nearest = blocks[np.argmin(np.linalg.norm(blocks - blocks.mean(axis=0), axis=1))]
    x, y, z = (round(float(value), 1) for value in (evidence.to_ras @ [*nearest, 1.0])[:3])
    return x, y, z
