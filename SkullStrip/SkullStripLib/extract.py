"""One function strips a volume everywhere: button, console, command line and batch call it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .brain_region import find_brain_region
from .checks import Check, check_input
from .engines import Engine, create_engine
from .errors import InputError
from .inference import Progress, predict_head
from .manifest import load_manifest
from .postprocess import brain_mask_from_probability
from .preprocess import prepare, restore
from .quality import judge
from .volume import Volume

VIEW_AXES = {1: (0,), 3: (0, 1, 2)}  # one view: slices along X, sagittal


@dataclass(frozen=True)
class BrainExtraction:
    """What was found, on the input's own grid.

    Parameters
    ----------
    brain_mask : ndarray of bool, shape (I, J, K)
    brain_probability : ndarray of float32, shape (I, J, K)
        In [0, 1].
    affine : ndarray of float64, shape (4, 4)
        The input's, bit for bit.
    volume_ml : float
        Volume of the mask in mL.
    timings : dict of str to float
        Seconds of each stage: check, prepare, load (what is left of it), predict, restore, mask.
    engine, device : str
        What ran the network, and where.
    weights_sha256 : str
        Hash of the weights file.
    checks : tuple of Check
        What was noticed about the input.
    quality : tuple of Check
        What makes the mask implausible; empty for a plausible brain.
    """

    brain_mask: np.ndarray
    brain_probability: np.ndarray
    affine: np.ndarray
    volume_ml: float
    timings: dict[str, float]
    engine: str
    device: str
    weights_sha256: str
    checks: tuple[Check, ...]
    quality: tuple[Check, ...] = ()


def extract_brain(
    array: np.ndarray,
    affine: np.ndarray,
    *,
    border_mm: float = 0.0,
    views: int = 1,
    engine: str | Engine = "auto",
    device: str = "auto",
    threads: int | None = None,
    weights: str | Path | None = None,
    progress: Progress | None = None,
) -> BrainExtraction:
    """Find the brain in a T1-weighted head.

    Parameters
    ----------
    array : ndarray, shape (I, J, K)
        Voxel values of any real dtype, in any orientation.
    affine : ndarray, shape (4, 4)
        Voxel index to RAS+ mm.
    border_mm : float
        Moves the mask's surface outwards (positive) or inwards (negative), in mm.
    views : {1, 3}
        1: slices along X. 3: X, Y and Z, mean of the probabilities.
    engine : str or Engine
        A runtime's name, "auto", or a loaded engine to use again.
    device : {"auto", "cpu", "gpu"}
    threads : int, optional
        CPU threads; by default all that this process may use.
    weights : path, optional
        Manifest, or its folder, of other weights than the bundled ones.
    progress : callable, optional
        Called with (stage, done, total); what it raises, `Cancelled` for example, ends the run.

    Returns
    -------
    BrainExtraction

    Raises
    ------
    InputError
        The image or an argument is at fault, or no brain was found.
    WeightsError
        The weights are missing or altered.
    EngineError
        No engine can run here.
    """
    validate_options(border_mm, views)
    stopwatch = Stopwatch(progress)
    with stopwatch.stage("check"):
        checks = check_input(array, affine)
        volume = Volume(array, affine)
    manifest, weights_path = load_manifest(weights)
    with ThreadPoolExecutor(1) as background:  # the engine loads while the scan is prepared
        if isinstance(engine, str):
            args = (engine, manifest, weights_path, device, threads)
            loading = background.submit(create_engine, *args)
        with stopwatch.stage("prepare"):
            prepared = prepare(volume, manifest.preprocessing)
        with stopwatch.stage("load"):
            engine = loading.result() if isinstance(engine, str) else engine
    with stopwatch.stage("predict"):
        offset = manifest.preprocessing.neighbour_offset
        axes = VIEW_AXES[views]
        spacing_mm = manifest.preprocessing.spacing_mm
        region = find_brain_region(prepared.head, spacing_mm, engine.predict, offset)
        head = predict_head(prepared.head, engine.predict, axes, offset, progress, region)
    with stopwatch.stage("restore"):
        probability = restore(head, prepared)
    with stopwatch.stage("mask"):
        mask = brain_mask_from_probability(
            probability, volume.spacing_mm, border_mm, manifest.threshold
        )
        refuse_empty(mask, border_mm)
    return BrainExtraction(
        brain_mask=mask,
        brain_probability=probability,
        affine=affine,
        volume_ml=float(np.count_nonzero(mask)) * volume.voxel_volume_ml,
        timings=stopwatch.seconds,
        engine=engine.name,
        device=engine.device,
        weights_sha256=manifest.weights_sha256,
        checks=(*checks, *engine_checks(engine)),
        quality=judge(mask, volume.voxel_volume_ml),
    )


def validate_options(border_mm: float, views: int) -> None:
    """Refuse options that make no sense.

    Raises
    ------
    InputError
        The border is not finite, or the number of views is neither 1 nor 3.
    """
    if not math.isfinite(border_mm):
        raise InputError(f"The border is {border_mm}; give a finite number of millimetres.")
    if views not in VIEW_AXES:
        raise InputError(f"The number of views is {views}; use 1 or 3.")


def refuse_empty(mask: np.ndarray, border_mm: float) -> None:
    """Say that nothing was found instead of returning nothing.

    Raises
    ------
    InputError
        The mask is empty.
    """
    if mask.any():
        return
    if border_mm < 0:
        raise InputError(f"A border of {border_mm:g} mm leaves no brain; use one nearer to 0.")
    raise InputError(
        "No brain was found; give a T1-weighted scan of a human head with the brain in view."
    )


def engine_checks(engine: Engine) -> tuple[Check, ...]:
    """What happened to an engine on the way: a GPU that gave up."""
    note = getattr(engine, "note", "")
    return (Check("gpu_gave_up", "note", note),) if note else ()


class Stopwatch:
    """Seconds of each stage, and word of it to whoever shows progress."""

    def __init__(self, progress: Progress | Callable[[str, int, int], None] | None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage under its name."""
        if self._progress is not None:
            self._progress(name, 0, 0)
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
