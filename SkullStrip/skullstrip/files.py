"""Strip a file: the reading and writing around `extract_brain`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .apply import apply_brain
from .checks.appearance import without_fill
from .checks.input_checks import Check, check_input
from .errors import InputError
from .grid.volume import Volume
from .io import images
from .io.atomic import atomic_outputs
from .io.dicom_seg import require_segmentable, write_segmentation
from .mask.postprocess import cut_brain
from .mask.surface import mask_surface, write_surface
from .network.predict import Progress
from .options import Options
from .output_files import OUTPUTS, require_outputs
from .pipeline import BrainExtraction, Stopwatch, extract_brain, load_engine
from .report import quality_line, report, short_name, to_json, volume_line

OF_OTHER_SCANS = ("brain", "mask", "qc")  # outputs of scans that the mask is carried to
GRID_TOLERANCE_MM = 1e-2  # of a voxel's place; headers hold float32
NOT_JUDGED = Check(
    "not_judged",
    "note",
    "The mask was cut from a probability that was given, so its quality was not judged again.",
)


def strip_file(
    input_path: str | Path,
    options: Options = Options(),
    *,
    from_probability: str | Path | None = None,
    series: int | None = None,
    apply_to: Mapping[Any, Mapping[str, Any]] | None = None,
    seg_fractional: bool = False,
    absolute_paths: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> BrainExtraction:
    """Find the brain in an image file and write the outputs that are named.

    All outputs appear together at the end, or none does. They have the input's shape and affine.

    Parameters
    ----------
    input_path : path
        Any format that nibabel reads, NRRD, or DICOM: a folder, or a file of a series.
    options : Options
    from_probability : path, optional
        What an earlier run wrote for `probability`: the mask is cut from it, and no network runs;
        so views, reorient and confidence are refused.
    series : int, optional
        Which one of a DICOM folder that holds several.
    apply_to : mapping, optional
        Other scans of the session, which get the same mask by `apply_brain`, and what is written of
        each: paths for "brain", "mask" and "qc".
    seg_fractional : bool
        The probability in the mask's place in "seg".
    absolute_paths : bool
        In the report; files are called by their names alone otherwise.
    progress : callable, optional
        As for `extract_brain`.
    **settings
        Paths of outputs by name, as ``mask="mask.nii.gz"``: "brain", "head", "mask", "probability",
        "confidence", "surface", "seg", "qc" and "json", of which `output_files.OUTPUTS` and the
        command's help say what each is; and options, which go before those of `options`.

    Returns
    -------
    BrainExtraction
        With the seconds for reading and writing among its timings, and in `carried` what became of
        the mask on each scan of `apply_to`.

    Raises
    ------
    InputError
        The image, an argument or an output is at fault; nothing has been written.
    """
    named = {name: settings.pop(name) for name in OUTPUTS if name in settings}
    targets = apply_to or {}
    outputs = [
        # No shell opens "~" in Python, or behind "--mask=": a folder of that name would be made.
        {name: Path(os.path.expanduser(path)) for name, path in each.items() if path is not None}  # noqa: PTH111
        for each in (named, *targets.values())
    ]
    options = replace(options, **settings)
    if unknown := sorted({name for each in outputs[1:] for name in each} - set(OF_OTHER_SCANS)):
        raise InputError(
            f"'{unknown[0]}' is not written of other scans; name {', '.join(OF_OTHER_SCANS)}."
        )
    if seg_fractional and "seg" not in outputs[0]:
        raise InputError("A fractional segmentation is one of '--seg'; name that, too.")
    if from_probability is not None:
        _require_no_network(options, confidence=named.get("confidence"), apply_to=apply_to)
    kept = [] if from_probability is None else [Path(from_probability)]
    scan, *others = map(Path, (input_path, *targets))
    require_outputs([scan, *others, *kept], [item for each in outputs for item in each.items()])
    stopwatch = Stopwatch(progress)
    with stopwatch.stage("read"):
        scans = [images.read_image(scan, series=series), *map(images.read_image, others)]
        if "seg" in outputs[0]:
            require_segmentable(scans[0].header)
    if kept:
        given = read_on_grid(kept[0], scans[0], "probability")
        result = brain_from_probability(scans[0].array, scans[0].affine, given, options)
        result = result.with_checks(scans[0].checks)
    else:
        result = strip_images(scans, options, progress)
    result = replace(result, timings=stopwatch.seconds | result.timings)
    with atomic_outputs() as staged:
        return write_outputs(
            scans,
            result,
            options,
            outputs,
            staged,
            absolute_paths=absolute_paths,
            seg_fractional=seg_fractional,
            progress=progress,
        )


def strip_images(
    scans: Sequence[images.Image], options: Options, progress: Progress | None = None
) -> BrainExtraction:
    """Find the brain in the first scan; `carried` is its mask on the others.

    Raise InputError where one of the scans is at fault; of the others it has the name.
    """
    image, *others = scans
    result = extract_brain(image.array, image.affine, options, progress=progress)
    result = result.with_checks(image.checks)
    if others:
        options = replace(options, engine=load_engine(options))
    carried = []
    for other in others:
        try:
            found = apply_brain(result, other.array, other.affine, options, progress=progress)
        except InputError as error:
            raise InputError(f"{other.path}: {error}") from error
        carried.append(found.with_checks(other.checks))
    return replace(result, carried=tuple(carried))


def write_outputs(
    scans: Sequence[images.Image],
    result: BrainExtraction,
    options: Options,
    outputs: Sequence[Mapping[str, Any]],
    staged: Callable[[Any], Path],
    *,
    absolute_paths: bool = False,
    seg_fractional: bool = False,
    progress: Progress | None = None,
) -> BrainExtraction:
    """Write what is named for each scan, where `staged` says; return the result with the seconds.

    `progress` may still end the run between two outputs.
    """
    start = time.perf_counter()

    def timed() -> BrainExtraction:
        return replace(result, timings={**result.timings, "write": time.perf_counter() - start})

    def write_json(path: Path) -> None:
        content = report(
            timed(),
            options,
            inputs=[image.path if absolute_paths else Path(image.name) for image in scans],
            outputs=outputs,
            absolute_paths=absolute_paths,
        )
        # A name that is no UTF-8 keeps its bytes as JSON's own escapes.
        path.write_text(to_json(content), encoding="utf-8", errors="backslashreplace")

    todo = []
    for image, each, named in zip(scans, (result, *result.carried), outputs, strict=True):
        writers = _writers(image, each, options, seg_fractional) | {"json": write_json}
        todo += [(writers[name], path) for name, path in named.items()]
    for number, (write, path) in enumerate(todo):
        target = staged(path)
        if progress is not None:
            progress("write", number, len(todo))
        write(target)
    return timed()


def _writers(
    image: images.Image, result: BrainExtraction, options: Options, seg_fractional: bool
) -> dict[str, Callable[[Path], object]]:
    """Return what writes each output of a scan but the report."""
    mask, probability = result.brain_mask, result.brain_probability

    def write_qc(path: Path) -> None:
        title = f"{volume_line(result)}, {quality_line(result)}"
        confidence = result.brain_confidence if result.confidence_source else None
        _write_qc(path, image, mask, title, confidence)

    def write_seg(path: Path) -> None:
        weights = result.weights_sha256 or "unknown"  # of a probability that was kept
        parameters = {"weights_sha256": weights, **options.settings()}
        write_segmentation(path, image.header, probability if seg_fractional else mask, parameters)

    return {
        "brain": lambda path: images.write_brain(path, image, mask),
        "mask": lambda path: images.write_mask(path, image, mask),
        "probability": lambda path: images.write_probability(path, image, probability),
        "confidence": lambda path: images.write_probability(path, image, result.brain_confidence),
        "head": lambda path: images.write_brain(path, image, ~mask),
        "surface": lambda path: write_surface(path, mask_surface(mask, result.affine)),
        "seg": write_seg,
        "qc": write_qc,
    }


def _write_qc(
    path: Path,
    image: images.Image,
    brain_mask: np.ndarray,
    title: str,
    confidence: np.ndarray | None = None,
) -> None:
    from .figures.qc import qc_picture, save_qc

    title = f"{short_name(image.name)}: {title}"
    voxels = without_fill(image.array)
    save_qc(qc_picture(voxels, image.affine, brain_mask, title, confidence), path)


def write_by_mask(scan: Path, mask: Path, brain: Path | None, qc: Path | None) -> float:
    """Write brain and picture by a mask that was corrected, and return its volume in mL.

    Raise InputError where scan or mask cannot be read, or they are on different grids.
    """
    image = images.read_image(scan)
    brain_mask = read_on_grid(mask, image, "mask") > 0
    volume_ml = np.count_nonzero(brain_mask) * Volume(image.array, image.affine).voxel_volume_ml
    if brain is not None:
        images.write_brain(brain, image, brain_mask)
    if qc is not None:
        _write_qc(qc, image, brain_mask, f"{volume_ml:.1f} mL, corrected by hand")
    return float(volume_ml)


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
    mask = cut_brain(volume, probability, options)
    return BrainExtraction(
        brain_mask=mask,
        brain_probability=probability,
        affine=affine,
        timings={"mask": time.perf_counter() - start},
        checks=checks,
        quality=(NOT_JUDGED,),
    )


def _require_no_network(options: Options, **others: object) -> None:
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
