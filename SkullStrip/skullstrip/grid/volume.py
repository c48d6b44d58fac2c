"""A voxel array that never travels without its affine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError

LEAST_ML = 1e-12  # of a voxel; less is a singular affine


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D image in space; making one raises InputError where it has no place there."""

    array: np.ndarray  # shape (I, J, K); any real dtype
    affine: np.ndarray  # float64, shape (4, 4); voxel index to RAS+ mm, finite and invertible

    def __post_init__(self) -> None:
        affine = np.asarray(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise InputError("The affine is not a finite 4x4 matrix; repair the image's header.")
        if not np.allclose(affine[3], (0, 0, 0, 1)):
            raise InputError(
                f"The affine's last row is {affine[3]}, not (0, 0, 0, 1); give the matrix that "
                "maps voxels to mm."
            )
        if not voxel_ml(affine) > LEAST_ML:
            raise InputError(
                "The affine is singular, so voxels have no volume; repair the image's header."
            )
        object.__setattr__(self, "affine", affine)

    @property
    def spacing_mm(self) -> np.ndarray:
        """Distance between neighbouring voxels along each array axis, shape (3,), in mm."""
        return spacing_of(self.affine)

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in mL, from the determinant (right for sheared grids too)."""
        return voxel_ml(self.affine)


def spatial_axes(shape: tuple[int, ...]) -> slice:
    """Return the axes of an image that are left without those of length one, until it is 3-D.

    Trailing axes go first (one frame), then leading ones (one colour, as NRRD may have).
    """
    start, stop = 0, len(shape)
    while stop > 3 and shape[stop - 1] == 1:
        stop -= 1
    while stop - start > 3 and shape[start] == 1:
        start += 1
    return slice(start, stop)


def spacing_of(affine: np.ndarray) -> np.ndarray:
    """Return the distance between neighbouring voxels along each array axis, shape (3,), in mm."""
    return np.linalg.norm(affine[:3, :3], axis=0)


def voxel_ml(affine: np.ndarray) -> float:
    """Return the volume of one voxel in mL, right for sheared grids too."""
    return abs(float(np.linalg.det(affine[:3, :3]))) / 1000.0
