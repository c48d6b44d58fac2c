"""What kind of image a scan looks like, told once the brain's place is known."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..grid.regions import bounding_box
from ..network.brain_region import BrainRegion
from .input_checks import Check

SHELL_BLOCKS, CORE_BLOCKS = 2, 5  # of 2 mm: the outer 4 mm are mostly fluid, the core is none
BONE_BLOCKS = (1, 4)  # outside the brain lies bone, from so many blocks to so many
# Brightness of the brain's shell over that of its core: 0.45 to 0.68 in 157 real T1 scans and 0.89
# in one with little contrast, 0.93 in PD, 1.15 and more in T2; in painted CT 1.14 to 1.33, because
# what the network takes for brain there reaches into bone.
DARK_FLUID = 0.9
BRIGHTEST_CT_FLUID = 1.4
CT_BONE = 1.3  # brightness of bone over that of the core: 1.37 to 2.9 in painted CT


def contrast_checks(head: np.ndarray, region: BrainRegion | None) -> tuple[Check, ...]:
    """Say where a scan does not look T1-weighted, and warn of CT.

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
