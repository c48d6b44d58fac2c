"""Whether an image looks like a T1-weighted head at all: cheap guesses, for a hint before a run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .checks import Check

SAMPLES = 200_000  # voxels looked at; enough for the fractions below
MASK_VALUES = 32  # a scan has more distinct values than a mask or a label map
AIR_HU = -500.0  # MRI has no such values
STRIPPED_ZEROS = 0.5  # share of voxels that are exactly zero
WHOLE_HEAD_ML = 2200.0  # scalp, skull and brain together take more


def check_looks(array: np.ndarray, voxel_volume_ml: float) -> tuple[Check, ...]:
    """Guess from a sample of voxels.

    Parameters
    ----------
    array : ndarray, shape (I, J, K)
        Voxel values, any real dtype, checked by `checks.check_input` before.
    voxel_volume_ml : float
        Volume of one voxel in mL.

    Returns
    -------
    tuple of Check
        At most one warning.
    """
    step = max(1, array.size // SAMPLES)
    sample = array.reshape(-1)[::step]
    sample = sample[np.isfinite(sample)]
    return tuple(_guess(sample, array.size * voxel_volume_ml))[:1]


def _guess(sample: np.ndarray, image_ml: float) -> Iterator[Check]:
    values = np.unique(sample)
    if len(values) <= MASK_VALUES:
        message = (
            f"This looks like a mask or label map ({len(values)} distinct values), not a scan."
        )
        yield Check("looks_like_mask", "warn", message)
    if len(values) and values[0] < AIR_HU:
        message = "This looks like a CT (negative values as of air); SkullStrip is for T1 MRI."
        yield Check("looks_like_ct", "warn", message)
    zeros = float(np.mean(sample == 0)) if sample.size else 0.0
    filled_ml = (1 - zeros) * image_ml
    if zeros > STRIPPED_ZEROS and filled_ml < WHOLE_HEAD_ML:
        message = (
            f"This looks stripped already: {zeros:.0%} of the image is exactly zero and only "
            f"{filled_ml:.0f} mL are not; give the whole head."
        )
        yield Check("looks_stripped", "warn", message)
