"""Whole-head label maps recoded for synthesis: tissues, split where one label is too coarse.

A label map calls all of the scalp one tissue and knows no dura. Each extracerebral label is
therefore split by its depth under the skin and by a thin shell around the brain, so that synthesis
can give fat, muscle, dura and sinuses looks of their own. Label numbers are FreeSurfer's below 500.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from skullstrip.errors import InputError

WHITE = (2, 41, 7, 46, 16, 28, 60, 77, 85, 251, 252, 253, 254, 255)
CEREBROSPINAL = (4, 43, 5, 44, 14, 15, 24, 31, 63, 72)
LESION = (25, 57)
VESSEL = (30, 62)
EYES = (259, 506)
BONE = (165, 511, 515)
SINUS_AIR = (516,)

SHELL_MM = 2.5  # dura, venous sinuses and what else touches the mask from outside
SKIN_MM = 3.0
FAT_MM = 9.0
MOST_CODES = 256  # a byte holds them
SMALLEST_SPLIT = 200_000  # voxels above which a label is split by depth


def tissue_of(label: int) -> str:
    """The class whose look a label has by default."""
    table = {
        "white": WHITE,
        "csf": CEREBROSPINAL,
        "lesion": LESION,
        "vessel": VESSEL,
        "eye": EYES,
        "bone": BONE,
        "sinus": SINUS_AIR,
    }
    for tissue, labels in table.items():
        if label in labels:
            return tissue
    return "grey" if label < 500 and label not in (165, 258, 259) else "soft"


def recode(
    labels: np.ndarray, mask: np.ndarray, spacing_mm: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Give every tissue, shell and depth a code of its own.

    Parameters
    ----------
    labels : ndarray of int, shape (X, Y, Z)
    mask : ndarray of bool, shape (X, Y, Z)
        The brain mask that belongs to the map.
    spacing_mm : ndarray, shape (3,)

    Returns
    -------
    codes : ndarray of uint8, shape (X, Y, Z)
        0 is air.
    names : tuple of str
        "tissue:label:part" of each code; part is "in" (inside the mask), "shell", "skin", "fat"
        or "deep".

    Raises
    ------
    InputError
        There are more tissues and parts than codes.
    """
    outside_mm = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    head = ndimage.binary_fill_holes(labels > 0)
    depth_mm = ndimage.distance_transform_edt(head, sampling=spacing_mm)
    codes = np.zeros(labels.shape, dtype=np.uint8)
    names = ["air:0:out"]
    for label in np.unique(labels[labels > 0]):
        here = labels == label
        for part, where in _parts(here, mask, outside_mm, depth_mm):
            if len(names) == MOST_CODES:
                raise InputError(
                    f"The label map needs more than {MOST_CODES} codes, a label up to five of "
                    "them; merge some of its labels."
                )
            codes[where] = len(names)
            names.append(f"{tissue_of(int(label))}:{int(label)}:{part}")
    return codes, tuple(names)


def _parts(
    here: np.ndarray, mask: np.ndarray, outside_mm: np.ndarray, depth_mm: np.ndarray
) -> list[tuple[str, np.ndarray]]:
    outside = here & ~mask
    shell = outside & (outside_mm <= SHELL_MM)
    rest = outside & ~shell
    parts = [("in", here & mask), ("shell", shell)]
    if np.count_nonzero(rest) > SMALLEST_SPLIT:
        parts.append(("skin", rest & (depth_mm <= SKIN_MM)))
        parts.append(("fat", rest & (depth_mm > SKIN_MM) & (depth_mm <= FAT_MM)))
        parts.append(("deep", rest & (depth_mm > FAT_MM)))
    else:
        parts.append(("deep", rest))
    return [(part, where) for part, where in parts if where.any()]
