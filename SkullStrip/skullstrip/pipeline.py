"""One function strips a volume everywhere: button, console, command line and batch call it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from .align import Alignment
from .checks.input_checks import Check, check_input, contrast_checks
from .errors import InputError, reason_of
from .grid.volume import Volume, voxel_ml
from .mask.postprocess import cut_brain
from .network.brain_region import find_brain_region
from .network.engine import Engine
from .network.engines import create_engine
from .network.manifest import load_manifest
from .network.predict import VIEWS, Progress, predict_head
from .options import Options
from .prepare.head_orientation import find_upright
from .prepare.preprocess import prepare, restore
from .quality.calibration import load_calibration
from .quality.evidence import confidence_map, gather_evidence
from .quality.verdict import Judged, Verdict, capped, judge, judged_mask


@dataclass(frozen=True, eq=False)
class BrainExtraction:
    """What was found, on the input's own grid.

    Parameters
    ----------
    brain_mask : ndarray of bool, shape (I, J, K)
    brain_probability : ndarray of float32, shape (I, J, K)
        In [0, 1].
    affine : ndarray of float64, shape (4, 4)
        The input's, bit for bit.
    timings : dict of str to float
        Seconds of each stage: check, prepare, predict, judge, and what is left then of those beside
        them: load, restore, mask.
    views_used : str
        Which slices the network saw, in words; empty where it did not run.
    engine, device : str
        What ran the network, and where.
    weights_sha256, calibration_sha256 : str
        Hashes of the weights file and of what the verdict is made by.
    checks : tuple of Check
        What was noticed about the input.
    quality : tuple of Check
        The verdict's reasons, warnings of `checks` among them; empty for "pass".
    verdict : {"pass", "check", "fail", "not judged"}
        check: look before using it. fail: do not use it as it is.
    judged : {"as written", "before border", "before CSF", "before CSF and border", "no"}
        Which mask the verdict and the Dice are of: this one, or the network's before it changed.
    dice_estimate, dice_error : float
        Estimated Dice with a careful reference, and the half width of its 90 % interval.
    volume_error_ml : float
        Half width of the volume's 90 % interval, in mL; NaN for another mask than was judged.
    confidence_source : callable, optional
        Makes `brain_confidence` of the probability.
    scan : ndarray, shape (I, J, K), optional
        The voxels it was found in, which another scan can be aligned with.
    overlap : float
        Of a mask that was carried over from another scan: its Dice with the network's own look at
        this one.
    alignment : Alignment, optional
        How this scan lies on that one, where they were aligned first.
    carried : tuple of BrainExtraction
        What became of the same mask on other scans, as `strip_file` was asked to.
    """

    brain_mask: np.ndarray
    brain_probability: np.ndarray
    affine: np.ndarray
    timings: dict[str, float] = field(default_factory=dict)
    engine: str = "none"
    device: str = "none"
    weights_sha256: str = ""
    checks: tuple[Check, ...] = ()
    quality: tuple[Check, ...] = ()
    verdict: Verdict = "not judged"
    judged: Judged = "no"
    dice_estimate: float = math.nan
    dice_error: float = math.nan
    volume_error_ml: float = math.nan
    confidence_source: Callable[[np.ndarray], np.ndarray] | None = None
    calibration_sha256: str = ""
    views_used: str = ""
    scan: np.ndarray | None = None
    overlap: float = math.nan
    alignment: Alignment | None = None
    carried: tuple[BrainExtraction, ...] = ()

    @cached_property
    def volume_ml(self) -> float:
        """Volume of the mask in mL."""
        return float(np.count_nonzero(self.brain_mask)) * voxel_ml(self.affine)

    @property
    def findings(self) -> tuple[Check, ...]:
        """Everything that is to be said, each once: about the scan, then about the mask."""
        return tuple(dict.fromkeys((*self.checks, *self.quality)))

    def with_checks(self, checks: tuple[Check, ...]) -> BrainExtraction:
        """Return the same with more that was noticed about the scan; warnings cap the verdict."""
        verdict, quality = capped(self.verdict, self.quality, checks)
        return replace(self, checks=(*checks, *self.checks), verdict=verdict, quality=quality)

    @cached_property
    def brain_confidence(self) -> np.ndarray:
        """How likely each voxel's label is right, before border and CSF; made when first asked for.

        Returns
        -------
        ndarray of float32, shape (I, J, K)
            In [0, 1].
        """
        if self.confidence_source is None:
            raise InputError("This result was made without a second look; strip the scan again.")
        return self.confidence_source(self.brain_probability)


def extract_brain(
    array: np.ndarray | Any,
    affine: np.ndarray | None = None,
    options: Options = Options(),
    *,
    progress: Progress | None = None,
    **overrides: Any,
) -> BrainExtraction:
    """Find the brain in an MRI of the head, T1-weighted best.

    Parameters
    ----------
    array : ndarray, shape (I, J, K), or nibabel image
        Voxel values of any real dtype, in any orientation.
    affine : ndarray, shape (4, 4)
        Voxel index to RAS+ mm; of a nibabel image by default its own.
    options : Options
    progress : callable, optional
        Called with (stage, done, total); what it raises, `Cancelled` for example, ends the run.
    **overrides
        Options by name, as ``border_mm=2``; they go before those of `options`.

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
    array, affine = voxels_in_space(array, affine)
    options = replace(options, **overrides)
    stopwatch = Stopwatch(progress)
    manifest, weights_path = load_manifest(options.weights)
    spacing_mm = manifest.preprocessing.spacing_mm
    calibrations = load_calibration(manifest, weights_path.parent)
    calibration = calibrations.of(options.views)
    with ThreadPoolExecutor(1) as background:  # the engine loads while the scan is prepared
        loading = background.submit(load_engine, options)
        with stopwatch.stage("check"):
            checks = check_input(array, affine)
            volume = Volume(array, affine)
        with stopwatch.stage("prepare"):
            prepared = prepare(volume, spacing_mm)
        with stopwatch.stage("load"):
            engine = loading.result()
    with stopwatch.stage("predict"):
        look = partial(find_brain_region, spacing_mm=spacing_mm, predict=engine.predict)
        prepared, region, orientation_checks = find_upright(prepared, look, options.reorient)
        checks = (*checks, *orientation_checks, *contrast_checks(prepared.head, region))
        slices = VIEWS[options.views]
        found = predict_head(prepared.head, engine.predict, slices, progress, region)
    placement = replace(prepared, head=np.empty((0, 0, 0), dtype=np.float32))
    views_used = found.views_used
    with ThreadPoolExecutor(1) as background:  # the mask is made while it is judged
        restoring = background.submit(restore, found.probability, placement)
        cutting = background.submit(lambda: cut_brain(volume, restoring.result(), options))
        with stopwatch.stage("judge"):
            evidence = gather_evidence(prepared, found, volume.affine, engine.predict, region)
            del prepared, found  # the mask can have their memory, a fifth of all
            judgement = judge(evidence, calibration)
        with stopwatch.stage("restore"):
            probability = restoring.result()
        with stopwatch.stage("mask"):
            mask = cutting.result()
    judged = judged_mask(options.border_mm, options.keep_csf)
    confidence_source = partial(  # about 5 MB
        confidence_map,
        evidence=evidence,
        placement=placement,
        calibration=calibration,
        mask=mask if judged == "as written" else None,
    )
    result = BrainExtraction(
        brain_mask=mask,
        brain_probability=probability,
        affine=affine,
        timings=stopwatch.seconds,
        engine=engine.name,
        device=engine.device,
        weights_sha256=manifest.weights_sha256,
        calibration_sha256=calibrations.sha256,
        views_used=views_used,
        quality=judgement.reasons,
        verdict=judgement.verdict,
        judged=judged,
        dice_estimate=judgement.estimate.dice,
        dice_error=judgement.estimate.dice_error,
        volume_error_ml=judgement.estimate.volume_error_ml if judged == "as written" else math.nan,
        confidence_source=confidence_source,
        scan=array,
    )
    return result.with_checks((*checks, *engine_checks(engine)))


def load_engine(options: Options) -> Engine:
    """Return the engine of these options, loaded; see `create_engine` for what it raises."""
    if not isinstance(options.engine, str):
        return options.engine
    manifest, weights_path = load_manifest(options.weights)
    return create_engine(options.engine, manifest, weights_path, options.device, options.threads)


def voxels_in_space(array: Any, affine: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return voxels and affine, of an image of nibabel too."""
    if hasattr(array, "dataobj"):
        array, affine = array.dataobj, array.affine if affine is None else affine
    if affine is None:
        raise InputError(
            "No affine is given; give the voxels and their affine, or a nibabel image."
        )
    try:
        return np.asarray(array), np.asarray(affine, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The voxels or the affine are no array of numbers ({reason_of(error)}); give both as "
            "NumPy arrays."
        ) from error


def engine_checks(engine: Engine) -> tuple[Check, ...]:
    """Return what happened to an engine on the way: a GPU that gave up."""
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
