"""Where one scan of a head lies on another: rigidly, by mutual information, with SimpleITK."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from .errors import EngineError, InputError
from .grid.regions import bounding_box
from .grid.volume import Volume, spacing_of

GRID_MM = 2.0  # at which the scans are compared
REACH_MM = 40.0  # around the brain: as far as the other scan may have to be moved
AROUND_MM = 10.0  # of the brain, which also count: its outer fluid and the skull
IN_VIEW = 0.99  # of a point, between the voxels of the other scan
# Narrow for the light of coils, which drew EPI 20 to 40 mm away; wide to keep what a T2 was found
# by that lay 29 mm off.
EVEN_MM, LEAST_MEAN = (20.0, 80.0), 0.05
SHRINK, SMOOTHING_MM, SAMPLED = (4, 2, 1), (4.0, 2.0, 1.0), (1.0, 0.5, 0.2)  # of each level
SEED = 1
PARTS = 4  # the sums are formed in, however many processors there are
FARTHEST_MM, WIDEST_DEGREES = 30.0, 20.0


@dataclass(frozen=True, eq=False)
class Alignment:
    """How a scan was moved."""

    # float64, shape (4, 4), from the RAS mm of the scan whose brain is known to the other's.
    matrix: np.ndarray
    moved_mm: float  # how far that takes the brain's centre
    turned_degrees: float  # around it

    def __str__(self) -> str:
        return f"moved by {self.moved_mm:.1f} mm and turned by {self.turned_degrees:.1f} degrees"


def align(
    scan: Volume, brain_mask: np.ndarray, other: Volume, even_mm: float = EVEN_MM[0]
) -> Alignment:
    """Find the rigid motion that takes a brain from one scan to the other, which overlaps it.

    Intensities of the scans, of any contrast, are in [0, 1]. Each is compared with the mean of what
    is up to `even_mm` around it. The same scans give the same motion, but for rounding. Raise
    InputError where none is found that a head makes, and EngineError without SimpleITK.
    """
    try:
        import SimpleITK
    except ImportError as error:
        raise EngineError(
            "Aligning scans needs SimpleITK; use 'pip install \"skullstrip[register]\"'."
        ) from error
    shape, to_ras = _grid_around(brain_mask, scan.affine)

    # Beyond a scan's end its last voxels go on: zeros there would agree with air.
    def on_grid(array: np.ndarray, affine: np.ndarray, is_scan: bool = False) -> Any:
        smoothing_mm, beyond = (GRID_MM / 2, "nearest") if is_scan else (0.0, "constant")
        blurred = ndimage.gaussian_filter(
            array.astype(np.float32), smoothing_mm / spacing_of(affine), mode="nearest"
        )
        matrix = np.linalg.inv(affine) @ to_ras
        found = ndimage.affine_transform(blurred, matrix, output_shape=shape, order=1, mode=beyond)
        if is_scan:  # over the local mean: coils make what is near them bright
            around = ndimage.gaussian_filter(found, even_mm / GRID_MM, mode="nearest")
            found = found / (around + LEAST_MEAN)
        image = SimpleITK.GetImageFromArray(found.T)
        image.SetSpacing([GRID_MM] * 3)
        image.SetOrigin(to_ras[:3, 3])
        return image

    brain = on_grid(brain_mask, scan.affine) >= 0.5
    around = SimpleITK.BinaryDilate(brain, [round(AROUND_MM / GRID_MM)] * 3)
    in_view = on_grid(np.ones(other.array.shape), other.affine) >= IN_VIEW
    shapes = SimpleITK.LabelShapeStatisticsImageFilter()
    shapes.Execute(brain)
    motion = SimpleITK.Euler3DTransform()
    motion.SetCenter(shapes.GetCentroid(1))
    method = SimpleITK.ImageRegistrationMethod()
    method.SetNumberOfThreads(PARTS)
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentagePerLevel(SAMPLED, SEED)
    method.SetMetricFixedMask(around & in_view)
    method.SetShrinkFactorsPerLevel(SHRINK)
    method.SetSmoothingSigmasPerLevel(SMOOTHING_MM)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.01, 200, 0.6, 1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(motion, inPlace=True)
    try:
        method.Execute(
            on_grid(scan.array, scan.affine, True), on_grid(other.array, other.affine, True)
        )
    except RuntimeError as error:
        raise InputError(
            "The scans cannot be aligned: too little of the brain is in both."
        ) from error
    return _plausible(motion)


def _grid_around(brain_mask: np.ndarray, affine: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    """Return shape and affine of a grid along RAS that holds the brain and what is around it."""
    box = bounding_box(brain_mask)
    corners = np.array(np.meshgrid(*[(part.start, part.stop - 1) for part in box])).reshape(3, -1)
    ras = affine[:3, :3] @ corners + affine[:3, 3:]
    start, stop = ras.min(axis=1) - REACH_MM, ras.max(axis=1) + REACH_MM
    to_ras = np.diag([GRID_MM] * 3 + [1.0])
    to_ras[:3, 3] = start
    return tuple(np.ceil((stop - start) / GRID_MM).astype(int) + 1), to_ras


def _plausible(motion: Any) -> Alignment:
    """Return what was found; refuse what no head does between two scans."""
    turn = np.array(motion.GetMatrix()).reshape(3, 3)
    centre, shift = np.array(motion.GetCenter()), np.array(motion.GetTranslation())
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, centre + shift - turn @ centre
    cosine = np.clip((np.trace(turn) - 1) / 2, -1, 1)
    found = Alignment(matrix, float(np.linalg.norm(shift)), float(np.degrees(np.arccos(cosine))))
    if found.moved_mm > FARTHEST_MM or found.turned_degrees > WIDEST_DEGREES:
        raise InputError(
            f"To be aligned, the scans would have to be {found}, more than {FARTHEST_MM:g} mm or "
            f"{WIDEST_DEGREES:g} degrees; are they of one head?"
        )
    return found
