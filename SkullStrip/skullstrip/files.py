"""Strip a file: the reading and writing around `extract_brain`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .apply import apply_brain
from .checks.appearance import without_fill
from .errors import InputError
from .from_probability import brain_from_probability, read_on_grid, require_no_network
from .grid.volume import Volume
from .io import images
from .io.atomic import atomic_outputs
from .io.dicom_seg import require_segmentable, write_segmentation
from .mask.surface import mask_surface, write_surface
from .network.predict import Progress
from .options import Options
from .outputs import require_outputs
from .pipeline import BrainExtraction, Stopwatch, extract_brain, load_engine
from .report import quality_line, report, short_name, to_json, volume_line


def strip_file(
    input_path: str | Path,
    options: Options = Options(),
    *,
    brain: str | Path | None = None,
    mask: str | Path | None = None,
    probability: str | Path | None = None,
    confidence: str | Path | None = None,
    head: str | Path | None = None,
    surface: str | Path | None = None,
    seg: str | Path | None = None,
    seg_fractional: bool = False,
    qc: str | Path | None = None,
    json: str | Path | None = None,
    from_probability: str | Path | None = None,
    series: int | None = None,
    apply_to: Mapping[Any, Mapping[str, Any]] | None = None,
    absolute_paths: bool = False,
    progress: Progress | None = None,
    **overrides: Any,
) -> BrainExtraction:
    """Find the brain in an image file and write the outputs that are named.

    All outputs appear together at the end, or none does. They have the input's shape and affine.

    Parameters
    ----------
    input_path : path
        Any format that nibabel reads, NRRD, or DICOM: a folder, or a file of a series.
    options : Options
    brain : path, optional
        The image with everything but the brain set to zero, in the input's dtype and scaling.
    mask : path, optional
        uint8, 1 in the brain.
    probability : path, optional
        float32 in [0, 1].
    confidence : path, optional
        How likely each voxel's label is right, float32 in [0, 1].
    head : path, optional
        The image with the brain set to zero, in the input's dtype and scaling.
    surface : path, optional
        The mask's surface in RAS mm, closed and smooth: .vtp, .stl or .ply.
    seg : path, optional
        The mask as DICOM Segmentation that refers to the input's images, which must be DICOM: .dcm.
    seg_fractional : bool
        The probability in the mask's place in `seg`.
    qc : path, optional
        PNG of the mask's outline, coloured by confidence, over slices in three planes.
    json : path, optional
        What `report.report` documents.
    from_probability : path, optional
        What an earlier run wrote for `probability`: the mask is cut from it, and no network runs;
        so views, reorient and confidence are refused.
    series : int, optional
        Which one of a DICOM folder that holds several.
    apply_to : mapping, optional
        Other scans of the session, which get the same mask by `apply_brain`, and what is written of
        each: paths for "brain", "mask" and "qc".
    absolute_paths : bool
        In the report; files are called by their names alone otherwise.
    progress, **overrides
        As for `extract_brain`.

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
    input_path = Path(input_path)
    named = {
        "brain": brain,
        "mask": mask,
        "probability": probability,
        "confidence": confidence,
        "head": head,
        "surface": surface,
        "seg": seg,
        "qc": qc,
        "json": json,
    }
    outputs = {name: Path(path) for name, path in named.items() if path is not None}
    targets = {
        Path(target): {name: Path(path) for name, path in paths.items()}
        for target, paths in (apply_to or {}).items()
    }
    options = replace(options, **overrides)
    if from_probability is not None:
        require_no_network(options, confidence=confidence, apply_to=apply_to)
    inputs = [input_path] if from_probability is None else [input_path, Path(from_probability)]
    paths = [item for each in (outputs, *targets.values()) for item in each.items()]
    require_outputs([*inputs, *targets], paths)
    stopwatch = Stopwatch(progress)
    with stopwatch.stage("read"):
        image = images.read_image(input_path, series=series)
        if seg is not None:
            require_segmentable(image.header)
        others = [images.read_image(path) for path in targets]
    if from_probability is not None:
        kept = read_on_grid(Path(from_probability), image, "probability")
        result = brain_from_probability(image.array, image.affine, kept, options)
    else:
        result = extract_brain(image.array, image.affine, options, progress=progress)
    result = result.noticing(image.checks)
    carried: tuple[BrainExtraction, ...] = ()
    if others:
        options = replace(options, engine=load_engine(options))
        carried = tuple(_apply(result, other, options, progress) for other in others)
    timings = stopwatch.seconds | result.timings
    result = replace(result, timings=timings, carried=carried)
    return _write_outputs(
        [image, *others],
        result,
        [outputs, *targets.values()],
        options,
        progress,
        absolute_paths=absolute_paths,
        seg_fractional=seg_fractional,
    )


def _apply(
    result: BrainExtraction, other: images.Image, options: Options, progress: Progress | None
) -> BrainExtraction:
    """Carry the mask to another scan; an InputError there gets its name."""
    try:
        carried = apply_brain(result, other.array, other.affine, options, progress=progress)
    except InputError as error:
        raise InputError(f"{other.path}: {error}") from error
    return carried.noticing(other.checks)


def write_by_mask(
    scan: Path, mask: Path, *, brain: Path | None = None, qc: Path | None = None
) -> float:
    """Write brain and picture by a mask that is there, and return its volume in mL.

    Raise InputError where scan or mask cannot be read, or they are on different grids.
    """
    image = images.read_image(scan)
    brain_mask = read_on_grid(mask, image, "mask") > 0
    volume_ml = np.count_nonzero(brain_mask) * Volume(image.array, image.affine).voxel_volume_ml
    with atomic_outputs() as staged:
        if brain is not None:
            images.write_brain(staged(brain), image, brain_mask)
        if qc is not None:
            _write_qc(staged(qc), image, brain_mask, f"{volume_ml:.1f} mL, corrected by hand")
    return float(volume_ml)


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


def _writers(
    image: images.Image, result: BrainExtraction, options: Options, *, seg_fractional: bool
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


def _write_outputs(
    scans: Sequence[images.Image],
    result: BrainExtraction,
    outputs: Sequence[dict[str, Path]],
    options: Options,
    progress: Progress | None,
    *,
    absolute_paths: bool,
    seg_fractional: bool,
) -> BrainExtraction:
    """Write all outputs; `progress` may still end the run between them, with nothing written.

    Those of the scan come first among `scans` and `outputs`, then those of `result.carried`.
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

    writers = [
        {**_writers(image, each, options, seg_fractional=seg_fractional), "json": write_json}
        for image, each in zip(scans, (result, *result.carried), strict=True)
    ]
    todo = [
        (known[name], path)
        for known, paths in zip(writers, outputs, strict=True)
        for name, path in paths.items()
    ]
    with atomic_outputs() as staged:
        for number, (write, path) in enumerate(todo):
            target = staged(path)
            if progress is not None:
                progress("write", number, len(todo))
            write(target)
    return timed()
