"""What can be said about a scan before any time is spent on it.

Where nothing sensible can come out, InputError is raised. What else is noticed has a severity:
`warn` (the verdict is no better than "check") or `note`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..grid.regions import bounding_box
from ..grid.volume import Volume, spacing_of
from ..network.brain_region import BrainRegion
from .appearance import appearance_findings, field_of_view_findings, without_fill

MIN_SLICES = 5
MIN_SPACING_MM = 0.2
MAX_SPACING_MM = 8.0
MIN_EXTENT_MM = 20.0  # thinner slabs hold too little of a head to recognise it
MAX_EXTENT_MM = 1000.0  # larger "heads" are a header with wrong units
LEAST_LENGTH_MM = 60.0  # of the longest axis: a head in cm that are called mm is shorter
# From a right angle. Scanners tilt CT, not MRI: 157 real scans had less than 0.001 degrees. What is
# more comes from a registration that was written into the header.
MAX_SHEAR_DEGREES = 2.0
SHELL_BLOCKS, CORE_BLOCKS = 2, 5  # of 2 mm: the outer 4 mm are mostly fluid, the core is none
BONE_BLOCKS = (1, 4)  # outside the brain lies bone, from so many blocks to so many
# Brightness of the brain's shell over that of its core: 0.45 to 0.68 in 157 real T1 scans and 0.89
# in one with little contrast, 0.93 in PD, 1.15 and more in T2; in painted CT 1.14 to 1.33, because
# what the network takes for brain there reaches into bone.
DARK_FLUID, BRIGHTEST_CT_FLUID = 0.9, 1.4
CT_BONE = 1.3  # brightness of bone over that of the core: 1.37 to 2.9 in painted CT

Severity = Literal["refuse", "warn", "note"]


@dataclass(frozen=True)
class Check:
    """One thing noticed about the input."""

    code: str  # stable name for programs, for example "non_finite"
    severity: Severity
    message: str  # one sentence for the user
    position_ras: tuple[float, float, float] | None = None  # where to look, in mm, if at one place

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that are set, for JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}


NO_ORIENTATION = Check(
    "no_orientation",
    "note",
    "The header names no orientation, so axes are assumed to run left, anterior and superior; "
    "check left and right.",
)


def check_input(array: np.ndarray, affine: np.ndarray) -> tuple[Check, ...]:
    """Run every check on a volume: voxels (I, J, K), and the affine from voxel index to RAS+ mm.

    Return warnings and notes, none for an ordinary scan; raise InputError for what is no head.
    """
    require_volume(array.shape, array.dtype)
    Volume(array, affine)  # refuses what has no place in space
    found = [*_check_space(array.shape, affine), *_check_intensities(array)]
    scan = without_fill(array)
    if scan is not array:
        fill = array[(scan != array) & np.isfinite(array)]
        values, counts = np.unique(fill, return_counts=True)
        message = (
            f"{fill.size} voxels are far from all others ({values[counts.argmax()]:g} for most), "
            "as fill values are; they were treated as background."
        )
        found.append(Check("fill_values", "note", message))
    looks = (*field_of_view_findings(scan, affine), *appearance_findings(scan, affine))
    return (*found, *(Check(code, "warn", message) for code, message in looks))


def require_volume(shape: tuple[int, ...], dtype: np.dtype, name: str = "The image") -> None:
    """Raise InputError for anything but real numbers, in three dimensions with enough slices."""
    if len(shape) != 3:
        raise InputError(
            f"{name} has {len(shape)} dimensions (shape {shape}); give one 3-D volume."
        )
    if min(shape) < MIN_SLICES:
        slices = "1 slice" if min(shape) == 1 else f"{min(shape)} slices"
        raise InputError(
            f"{name} has only {slices} along one axis (shape {shape}); "
            f"at least {MIN_SLICES} are needed."
        )
    if dtype.kind not in "biuf":
        kind = "colour" if dtype.kind == "V" else "complex" if dtype.kind == "c" else str(dtype)
        raise InputError(f"{name} has {kind} voxels; give one with a single real value per voxel.")


def _check_space(shape: tuple[int, ...], affine: np.ndarray) -> Iterator[Check]:
    """Voxels and field of view of a plausible size, and axes at right angles to each other."""
    spacing = spacing_of(affine)
    extent = spacing * shape
    if spacing.min() < MIN_SPACING_MM or spacing.max() > MAX_SPACING_MM:
        message = (
            f"Voxels of {by_axis(spacing)} mm are unusual for a head "
            f"({MIN_SPACING_MM:g} to {MAX_SPACING_MM:g} mm expected); check the header's units."
        )
        yield Check("spacing_unusual", "warn", message)
    if extent.min() < MIN_EXTENT_MM or not LEAST_LENGTH_MM <= extent.max() <= MAX_EXTENT_MM:
        raise InputError(
            f"The field of view is {by_axis(extent)} mm, which is no head "
            f"({MIN_EXTENT_MM:g} to {MAX_EXTENT_MM:g} mm expected, and {LEAST_LENGTH_MM:g} along "
            "one axis at least); check the header's spacing."
        )
    axes = affine[:3, :3] / spacing
    cosines = np.abs(axes.T @ axes - np.diag(np.sum(axes**2, axis=0)))
    shear = float(np.degrees(np.arcsin(min(1.0, float(cosines.max())))))
    if shear > MAX_SHEAR_DEGREES:
        message = (
            f"The image's axes are {shear:.0f} degrees from a right angle, so the header holds a "
            "shear; distances such as the border's are approximate."
        )
        yield Check("affine_sheared", "warn", message)


def _check_intensities(array: np.ndarray) -> Iterator[Check]:
    """Finite values that differ."""
    values = array
    if array.dtype.kind == "f":
        finite = np.isfinite(array)
        count = array.size - int(np.count_nonzero(finite))
        if count == array.size:
            raise InputError("The image holds no finite value.")
        if count:
            message = f"{count} voxels are NaN or infinite; they were treated as background."
            yield Check("non_finite", "note", message)
            values = array[finite]
    low, high = values.min(), values.max()
    if low == high:
        what = "only zeros" if low == 0 else f"the same value everywhere ({low:g})"
        raise InputError(f"The image holds {what}, so there is no head in it.")


def by_axis(numbers: np.ndarray) -> str:
    """Numbers of the three axes, for a sentence."""
    return " x ".join(f"{number:.4g}" for number in numbers)


def contrast_checks(head: np.ndarray, region: BrainRegion | None) -> tuple[Check, ...]:
    """Say where a scan does not look T1-weighted, and warn of CT, once the brain's place is known.

    Intensities of the head (X, Y, Z) are in [0, 1]; nothing is said without a region.
    """
    if region is None:
        return ()
    fluid, bone = fluid_and_bone(head, region)
    if DARK_FLUID < fluid < BRIGHTEST_CT_FLUID and bone > CT_BONE:
        message = (
            "The brain is uniform and the bone around it bright, as in CT, which the network was "
            "not made for; look at the outline."
        )
        return (Check("ct_like", "warn", message),)
    if fluid > DARK_FLUID:
        message = (
            "The fluid around the brain is about as bright as the brain, or brighter, as in proton "
            "density and T2; the network knows T1-weighted scans best."
        )
        return (Check("contrast_inverted", "note", message),)
    return ()


def fluid_and_bone(head: np.ndarray, region: BrainRegion) -> tuple[float, float]:
    """Median intensity of the brain's shell, and of what lies around its upper half, over its core.

    0 where there is no core, or nothing around it.
    """
    middles = tuple(slice(block // 2, None, block) for block in region.block)
    values = head[middles]
    blocks = region.blocks[tuple(slice(0, size) for size in values.shape)]
    values = values[tuple(slice(0, size) for size in blocks.shape)]
    near = bounding_box(blocks, (0, BONE_BLOCKS[1], BONE_BLOCKS[1]))
    values, blocks = values[near], blocks[near]
    in_plane = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]], dtype=bool)
    core = ndimage.binary_erosion(blocks, in_plane, iterations=CORE_BLOCKS)
    if not core.any():
        return 0.0, 0.0
    shell = blocks & ~ndimage.binary_erosion(blocks, in_plane, iterations=SHELL_BLOCKS)
    close, far = (ndimage.binary_dilation(blocks, in_plane, iterations=n) for n in BONE_BLOCKS)
    middle = round(float(np.argwhere(blocks)[:, 2].mean()))
    around = (far & ~close)[:, :, middle:]
    inside = max(float(np.median(values[core])), 1e-6)
    bone = float(np.median(values[:, :, middle:][around])) if around.any() else 0.0
    return float(np.median(values[shell])) / inside, bone / inside
