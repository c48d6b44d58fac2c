"""Whole-head label maps recoded for synthesis: tissues, split where one label is too coarse.

A label map calls all of the scalp one tissue and knows no dura. Each extracerebral label is
therefore split by its depth under the skin and by a thin shell around the brain, so that synthesis
can give fat, muscle, dura and sinuses looks of their own. Label numbers are FreeSurfer's below 500.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from skullstrip.errors import InputError
from skullstrip.grid.regions import Box, bounding_box

OUTER_VESSEL = 604  # this and the next: the project's own numbers for families without FreeSurfer's
FAT, MUSCLE, SKIN, DURA, MARROW = 601, 602, 603, 605, 606
TISSUES = {
    "white": (2, 41, 7, 46, 16, 21, 28, 60, 61, 77, 85, 170, 251, 252, 253, 254, 255),
    "csf": (4, 43, 5, 44, 14, 15, 24, 72), "lesion": (25, 57), "choroid": (31, 63),
    "vessel": (30, 62, OUTER_VESSEL), "eye": (259, 506), "bone": (165, 511, 515), "sinus": (516,),
    "fat": (FAT,), "muscle": (MUSCLE,), "skin": (SKIN,), "dura": (DURA,), "marrow": (MARROW,),
}  # fmt: skip
HEAD = (165, 258, 259)  # extracerebral labels among FreeSurfer's numbers

SHELL_MM = 2.5  # dura, venous sinuses and what else touches the mask from outside
SKIN_MM = 3.0
FAT_MM = 9.0
LAYERED = ("soft", "bone", "csf", "sinus")  # one label for several tissues
MOST_CODES = 256  # a byte holds them
SMALLEST_SPLIT = 200_000  # voxels above which a label is split by depth


def tissue_of(label: int) -> str:
    """Return the class whose look a label has by default."""
    for tissue, labels in TISSUES.items():
        if label in labels:
            return tissue
    return "soft" if is_outside(np.array(label)) else "grey"


def is_outside(labels: np.ndarray) -> np.ndarray:
    """Return whether labels are extracerebral tissue or air; cerebrospinal fluid is neither."""
    return (labels == 0) | (labels >= 500) & (labels != OUTER_VESSEL) | np.isin(labels, HEAD)


def head_box(labels: np.ndarray, margin: int = 3) -> Box:
    """Return the part of a map that holds the head, with some voxels of air."""
    return bounding_box(labels > 0, (margin,) * 3)


def recode(
    labels: np.ndarray, mask: np.ndarray, spacing_mm: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Give every tissue, shell and depth a code of its own.

    `mask` is the brain mask that belongs to the map. Gives codes, uint8 (X, Y, Z), of which 0 is
    air, and "tissue:label:part" of each; part is "in" (inside the mask), "shell", "skin", "fat" or
    "deep". Raise InputError where there are more tissues and parts than codes.
    """
    outside_mm = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    head = ndimage.binary_fill_holes(labels > 0)
    depth_mm = ndimage.distance_transform_edt(head, sampling=spacing_mm)
    codes = np.zeros(labels.shape, dtype=np.uint8)
    names = ["air:0:out"]
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        here, tissue = labels[box] == label, tissue_of(label)
        outside = here & ~mask[box]
        shell = outside & (outside_mm[box] <= SHELL_MM)
        rest, depth = outside & ~shell, depth_mm[box]
        parts = {"in": here & mask[box], "shell": shell}
        if tissue in LAYERED and np.count_nonzero(rest) > SMALLEST_SPLIT:
            parts["skin"] = rest & (depth <= SKIN_MM)
            parts["fat"] = rest & (depth > SKIN_MM) & (depth <= FAT_MM)
            rest = rest & (depth > FAT_MM)
        parts["deep"] = rest
        for part, where in parts.items():
            if not where.any():
                continue
            if len(names) == MOST_CODES:
                raise InputError(
                    f"The label map needs more than {MOST_CODES} codes, a label up to five of "
                    "them; merge some of its labels."
                )
            codes[box][where] = len(names)
            names.append(f"{tissue}:{label}:{part}")
    return codes, tuple(names)
