"""Cut a mask from a probability that an earlier run kept: another border without the network."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from .checks.input_checks import Check, check_input
from .errors import InputError
from .grid.volume import Volume
from .io import images
from .mask.postprocess import cut_brain
from .options import Options
from .pipeline import BrainExtraction

GRID_TOLERANCE_MM = 1e-2  # of a voxel's place; headers hold float32
NOT_JUDGED = Check(
    "not_judged",
    "note",
    "The mask was cut from a probability that was given, so its quality was not judged again.",
)


def brain_from_probability(
    array: np.ndarray,
    affine: np.ndarray,
    brain_probability: np.ndarray,
    options: Options = Options(),
) -> BrainExtraction:
    """Cut a mask from a brain probability, as `extract_brain` does after the network.

    Scan and probability, which is in [0, 1], have one shape, (I, J, K); of the options border and
    CSF are what counts. The result has "none" for engine and device, no weights, and the verdict
    "not judged". Raise InputError where scan or probability is at fault, or no brain is left.
    """
    start = time.perf_counter()
    checks = check_input(array, affine)
    volume = Volume(array, affine)
    probability = np.asarray(brain_probability, dtype=np.float32)
    if probability.shape != array.shape:
        raise InputError(
            f"The probability has shape {probability.shape}, the scan {array.shape}; "
            "give the one that was made from this scan."
        )
    low, high = float(probability.min()), float(probability.max())
    if not (low >= 0 and high <= 1):  # NaN too
        raise InputError(
            f"The probability reaches from {low:g} to {high:g}, not within 0 and 1; give the file "
            "that '--probability' wrote."
        )
    mask = cut_brain(volume, probability, options.border_mm, options.keep_csf)
    return BrainExtraction(
        brain_mask=mask,
        brain_probability=probability,
        affine=affine,
        timings={"mask": time.perf_counter() - start},
        checks=checks,
        quality=(NOT_JUDGED,),
    )


def require_no_network(options: Options, **others: object) -> None:
    """Raise InputError for what only the network gives, beside a kept probability."""
    asked = {
        "views": options.views != Options.views,
        "reorient": options.reorient,
        **{name: value is not None for name, value in others.items()},
    }
    if name := next((name for name, is_asked in asked.items() if is_asked), ""):
        flag = f"--{name.replace('_', '-')}"
        raise InputError(
            f"'{flag}' needs the network, which '--from-probability' does not run; leave one of "
            "the two out."
        )


def read_on_grid(path: Path, image: images.Image, what: str) -> np.ndarray:
    """Read a probability or a mask that lies on a scan's grid, shape (I, J, K).

    Raise InputError where it cannot be read, or is on another grid.
    """
    kept = images.read_image(path)
    corners = np.array([[0, 0, 0, 1], [*kept.array.shape, 1]], dtype=np.float64)
    apart = corners @ (kept.affine - image.affine).T
    # "Not within": NaN in its header is no match either.
    if kept.array.shape != image.array.shape or not np.abs(apart).max() <= GRID_TOLERANCE_MM:
        raise InputError(
            f"{path} is not on the grid of {image.path}; give the {what} made from this scan."
        )
    return kept.array
