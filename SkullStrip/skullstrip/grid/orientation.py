"""Array axes against anatomical directions.

Only permutations and flips: a scan is never rotated. An oblique acquisition usually follows the
head, so its own axes are the better ones for the network, and nothing is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from .volume import Volume, spacing_of

_CODES = (("L", "R"), ("P", "A"), ("I", "S"))


@dataclass(frozen=True)
class Orientation:
    """How an array was turned to RAS+."""

    # `axes[i]` is the input axis that runs closest to the RAS direction i.
    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]  # whether that axis had to be reversed

    def apply(self, array: np.ndarray) -> np.ndarray:
        """View of `array` (I, J, K) with axes running right, anterior, superior."""
        flips = tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)
        return array.transpose(self.axes)[flips]

    def index_matrix(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return what leads from voxel indices after `apply` to those before, shape (4, 4)."""
        matrix = np.zeros((4, 4))
        matrix[3, 3] = 1.0
        for row, (axis, flip) in enumerate(zip(self.axes, self.flipped, strict=True)):
            matrix[axis, row] = -1.0 if flip else 1.0
            matrix[axis, 3] = shape[row] - 1 if flip else 0.0
        return matrix

    @property
    def codes(self) -> str:
        """Three letters for where the axes of the array point before `apply`, as "PIR"."""
        codes = [""] * 3
        for letters, axis, flip in zip(_CODES, self.axes, self.flipped, strict=True):
            codes[axis] = letters[0 if flip else 1]
        return "".join(codes)


def then(first: Orientation, second: Orientation) -> Orientation:
    """Return the orientation that turns an array as one and then another does."""
    axes = tuple(first.axes[axis] for axis in second.axes)
    flipped = tuple(
        first.flipped[axis] != flip for axis, flip in zip(second.axes, second.flipped, strict=True)
    )
    return Orientation(axes, flipped)  # type: ignore[arg-type]


def orientation_of(affine: np.ndarray) -> Orientation:
    """Assign each array axis of an affine (4, 4) to one anatomical direction.

    The assignment maximises the summed cosines between axes and directions, so that it is a
    permutation even for a grid turned by 45 degrees.
    """
    directions = affine[:3, :3] / spacing_of(affine)
    cosines = np.abs(directions)
    axes = max(permutations(range(3)), key=lambda axes: float(cosines[range(3), axes].sum()))
    flipped = tuple(bool(directions[row, axis] < 0) for row, axis in enumerate(axes))
    return Orientation(axes, flipped)  # type: ignore[arg-type]


def reorient_to_ras(volume: Volume) -> tuple[Volume, Orientation]:
    """Turn a volume so that its axes run closest to right, anterior and superior.

    Return a view of the same voxels with the affine that belongs to it, and the orientation.
    """
    orientation = orientation_of(volume.affine)
    array = orientation.apply(volume.array)
    return Volume(array, volume.affine @ orientation.index_matrix(array.shape)), orientation
