"""Where in the scan a doubt is, so that a viewer can go there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..checks.input_checks import Check
from ..grid.regions import largest_component
from .evidence import Evidence
from .measures import largest_bare, largest_disagreement, solid_mask

Place = Callable[[Evidence, np.ndarray], np.ndarray]


def located(
    reasons: tuple[Check, ...], evidence: Evidence, mask: np.ndarray | None = None
) -> tuple[Check, ...]:
    """Return the verdict's reasons, with `position_ras` set where a reason is about a place.

    `mask` is what was judged; by default what the probability gives.
    """
    to_ras = evidence.to_ras
    if to_ras is None or not any(check.code in _PLACES for check in reasons):
        return reasons
    judged = solid_mask(evidence.probability) if mask is None else mask
    positions = {
        check.code: _position(_PLACES[check.code](evidence, judged), to_ras)
        for check in reasons
        if check.code in _PLACES
    }
    return tuple(replace(check, position_ras=positions.get(check.code)) for check in reasons)


def disagreement(evidence: Evidence, mask: np.ndarray) -> np.ndarray:
    """Return where the second look contradicts the mask most."""
    place = np.zeros(mask.shape, dtype=bool)
    place[:, evidence.places] = np.moveaxis(largest_disagreement(evidence, mask), 0, 1)
    return place


def cut_edge(evidence: Evidence, mask: np.ndarray) -> np.ndarray:
    """Return the largest part of the mask in an outermost slice of the image."""
    faces = []
    for axis, ends in enumerate(evidence.image_ends):
        for at in np.array([0, -1])[ends]:
            face = np.zeros(mask.shape, dtype=bool)
            edge = (*[slice(None)] * axis, at)
            face[edge] = mask[edge]
            faces.append(largest_component(face))
    return max(faces, key=np.count_nonzero, default=np.zeros(mask.shape, dtype=bool))


def removed_piece(evidence: Evidence, _mask: np.ndarray) -> np.ndarray:
    """Return the largest piece that was removed, or hole that was filled."""
    solid = solid_mask(evidence.probability)
    return largest_component((evidence.probability >= 0.5) != solid)


_PLACES: dict[str, Place] = {
    "second_look": disagreement,
    "dice_low": disagreement,  # a wrong mask is usually contradicted there
    "brain_bare": largest_bare,
    "brain_cut": cut_edge,
    "pieces_removed": removed_piece,
}


def _position(place: np.ndarray, to_ras: np.ndarray) -> tuple[float, float, float] | None:
    """Return the block of a place that is nearest to its middle, in RAS mm."""
    blocks = np.argwhere(place)
    if len(blocks) == 0:
        return None
    nearest = blocks[np.argmin(np.linalg.norm(blocks - blocks.mean(axis=0), axis=1))]
    x, y, z = (round(float(value), 1) for value in (to_ras @ [*nearest, 1.0])[:3])
    return x, y, z
