"""One mask for all scans of a session: found in one, and carried to the grids of the others."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import ndimage

from .align import EVEN_MM, Alignment, align
from .checks.input_checks import Check
from .errors import InputError
from .grid.regions import bounding_box, dice, fill_holes
from .grid.volume import Volume, spacing_of
from .mask.postprocess import THRESHOLD, signed_distance_mm, solid_mask
from .network.predict import Progress
from .options import Options
from .pipeline import BrainExtraction, extract_brain, voxels_in_space
from .prepare.intensity import scale_intensities
from .quality.verdict import Verdict

RAMP_MM = 4.0  # on both sides of a surface that was moved, where its distance is carried
WHOLE = 0.95  # of a brain, in the field of view
# Dice of the carried mask with the network's own look: 0.97 and 0.94 on a PD and a T2 that were
# aligned, 0.91 and 0.93 on distorted EPI; 0.89 and 0.66 on the former before, 12 and 29 mm off.
CHECK_BELOW, FAIL_BELOW = 0.93, 0.85
LESS = 0.01  # overlap that aligned scans may lose without having been aligned for the worse
WORSE: tuple[Verdict, ...] = ("pass", "not judged", "check", "fail")  # each than the one before


def apply_brain(
    result: BrainExtraction,
    array: np.ndarray | Any,
    affine: np.ndarray | None = None,
    options: Options = Options(),
    *,
    progress: Progress | None = None,
    **overrides: Any,
) -> BrainExtraction:
    """Carry a brain mask to another scan of the same head, by the headers or aligned first.

    Parameters
    ----------
    result : BrainExtraction
        What `extract_brain` found in one scan of a session, the T1-weighted one.
    array : ndarray, shape (I, J, K), or nibabel image
        The other scan, of any contrast and on any grid.
    affine : ndarray, shape (4, 4)
        Voxel index to RAS+ mm; of a nibabel image by default its own.
    options : Options
        With ``register="rigid"`` the scans are aligned first, by SimpleITK; the others say how the
        network looks at this scan.
    progress, **overrides
        As for `extract_brain`.

    Returns
    -------
    BrainExtraction
        On the other scan's grid. `overlap` is the Dice of the mask with what one view of the
        network finds there, `alignment` how the scans were aligned; the verdict rests on the
        overlap and on the mask's own verdict.

    Raises
    ------
    InputError
        The scans do not overlap, or cannot be aligned plausibly.
    EngineError
        SimpleITK is needed and not installed.
    """
    start = time.perf_counter()
    array, affine = voxels_in_space(array, affine)
    options = replace(options, **overrides)
    target = Volume(array, affine)
    probability, mask = carried(result, target)
    _require_brain(mask)
    look = _own_look(target, options, progress)
    overlap = before = _overlap(probability, look)
    alignment = None
    if options.register is not None:
        if progress is not None:
            progress("register", 0, 0)
        for motion in _alignments(result, target):
            moved = carried(result, target, motion)
            found = _overlap(moved[0], look)
            if alignment is None or found > overlap:
                (probability, mask), overlap, alignment = moved, found, motion
        _require_brain(mask)
        if overlap < before - LESS:
            raise InputError(
                f"Aligned, with this scan {alignment}, the mask agrees less with what the network "
                f"finds in it (Dice {overlap:.2f}, {before:.2f} before); leave the scans where "
                "their headers say."
            )
    verdict, reasons = judge_carried(result.verdict, overlap, look)
    applied = BrainExtraction(
        brain_mask=mask,
        brain_probability=probability,
        affine=affine,
        timings={"apply": time.perf_counter() - start},
        engine=result.engine,
        device=result.device,
        weights_sha256=result.weights_sha256,
        calibration_sha256=result.calibration_sha256,
        views_used=result.views_used,
        quality=reasons,
        verdict=verdict,
        judged=result.judged,
        scan=array,
        overlap=overlap,
        alignment=alignment,
    )
    notes = []
    if alignment is not None:
        message = f"The scan was {alignment}, around the brain's centre, to be aligned."
        notes.append(Check("aligned", "note", message))
    if (share := applied.volume_ml / result.volume_ml) < WHOLE:
        message = f"Of the brain, {share:.0%} lies in this scan's field of view."
        notes.append(Check("partly_in_view", "note", message))
    return replace(applied, checks=tuple(notes))


def of_mask(scan: Volume, brain_mask: np.ndarray, verdict: Verdict) -> BrainExtraction:
    """Return a mask that is there, edited by hand perhaps, as what `apply_brain` carries.

    Raise InputError for an empty mask, one of another shape than the scan, and an unknown verdict.
    """
    if verdict not in WORSE:
        raise InputError(f"The verdict '{verdict}' is unknown; use one of {', '.join(WORSE)}.")
    if brain_mask.shape != scan.array.shape or not brain_mask.any():
        raise InputError("There is no mask of this scan that other scans could get.")
    return BrainExtraction(
        brain_mask=brain_mask,
        brain_probability=brain_mask.astype(np.float32),
        affine=scan.affine,
        verdict=verdict,
        scan=scan.array,
    )


def carried(
    result: BrainExtraction, target: Volume, alignment: Alignment | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return probability and mask on another scan's grid, float32 and bool, shape (I, J, K).

    The probability is interpolated linearly and cut. Where border or CSF made another mask of it,
    the distance from that mask's surface is.
    """
    motion = np.eye(4) if alignment is None else alignment.matrix
    to_source = np.linalg.inv(motion @ result.affine) @ target.affine

    def on_target(levels: np.ndarray, outside: float) -> np.ndarray:
        shape = target.array.shape
        found = ndimage.affine_transform(
            levels, to_source, output_shape=shape, order=1, cval=outside
        )
        return np.asarray(found)

    mask = result.brain_mask
    if result.judged != "as written":
        mask = solid_mask(result.brain_probability)
    # Pieces were removed from what the probability gives, and holes filled.
    most = np.where(mask, np.float32(1), np.nextafter(np.float32(THRESHOLD), np.float32(0)))
    least = np.where(mask, np.float32(THRESHOLD), np.float32(0))
    probability = on_target(np.clip(result.brain_probability, least, most), 0.0)
    if result.judged == "as written":
        return probability, fill_holes(probability >= THRESHOLD)
    return probability, fill_holes(on_target(_depth_mm(result), -RAMP_MM) >= 0)


def judge_carried(
    source: Verdict, overlap: float, look: BrainExtraction | InputError
) -> tuple[Verdict, tuple[Check, ...]]:
    """Return the verdict of a carried mask, and its reasons.

    `source` is its verdict where it was found, `overlap` its Dice with the network's own look, and
    `look` that look, or why there is none.
    """
    verdicts: list[Verdict] = ["pass"]
    reasons = []
    if isinstance(look, InputError) or look.verdict == "fail":
        why = f" ({str(look).rstrip('.')})" if isinstance(look, InputError) else ""
        message = (
            "The network cannot make out the brain in this scan well enough to confirm the mask "
            f"that was carried over{why}; look at the outline."
        )
        verdicts.append("check")
        reasons.append(Check("no_own_look", "warn", message))
    elif overlap < CHECK_BELOW:
        message = (
            "The mask that was carried over and what the network finds in this scan agree at a "
            f"Dice of {overlap:.2f} ({CHECK_BELOW} is the least that passes); look whether the "
            "scans are aligned."
        )
        verdicts.append("fail" if overlap < FAIL_BELOW else "check")
        reasons.append(Check("little_overlap", "warn", message))
    if source != "pass":
        message = f"The mask has the verdict '{source}' where it was found."
        verdicts.append(source)
        reasons.append(Check("source_verdict", "warn", message))
    return worst(verdicts), tuple(reasons)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that holds for masks together."""
    return max(verdicts, key=WORSE.index)


def _require_brain(mask: np.ndarray) -> None:
    if not mask.any():
        raise InputError(
            "Nothing of the brain lies in this scan, as the headers of the two have it; give scans "
            "of one session."
        )


def _own_look(
    target: Volume, options: Options, progress: Progress | None
) -> BrainExtraction | InputError:
    """Return what one view of the network finds in the scan, or why it finds nothing."""
    options = replace(options.runtime(), views=1, reorient=options.reorient)
    try:
        return extract_brain(target.array, target.affine, options, progress=progress)
    except InputError as error:
        return error


def _overlap(probability: np.ndarray, look: BrainExtraction | InputError) -> float:
    """Dice; NaN without a look."""
    if isinstance(look, InputError):
        return math.nan
    return dice(probability >= THRESHOLD, look.brain_mask)


def _alignments(result: BrainExtraction, target: Volume) -> list[Alignment]:
    """Return plausible alignments of the two scans; the network's look tells which is best."""
    if result.scan is None:
        raise InputError("The result does not hold its scan, so nothing can be aligned with it.")
    source, other = (
        Volume(scale_intensities(array), affine)
        for array, affine in ((result.scan, result.affine), (target.array, target.affine))
    )
    found, refused = [], InputError()
    for even_mm in EVEN_MM:
        try:
            found.append(align(source, result.brain_mask, other, even_mm))
        except InputError as error:  # noqa: PERF203  (the other may do)
            refused = error
    if not found:
        raise refused
    return found


def _depth_mm(result: BrainExtraction) -> np.ndarray:
    """Return the depth below the mask's surface in mm, as far as it counts, float32."""
    spacing = spacing_of(result.affine)
    depth = np.full(result.brain_mask.shape, -RAMP_MM, dtype=np.float32)
    box = bounding_box(result.brain_mask, tuple(np.ceil(RAMP_MM / spacing).astype(int) + 1))
    distance = signed_distance_mm(result.brain_mask[box], spacing)
    depth[box] = np.clip(-distance, -RAMP_MM, RAMP_MM)
    return depth
