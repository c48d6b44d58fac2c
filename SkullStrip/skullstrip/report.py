"""The result of a run as plain data, for `--json`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._version import __version__
from .escaping import escaped
from .options import Options
from .pipeline import BrainExtraction

JUDGED = {
    "before border": "judged before the border moved",
    "before CSF": "judged before fluid was taken off",
    "before CSF and border": "judged before border and CSF changed",
}
LONGEST_NAME = 40  # characters that leave room in the QC picture's title


def report(
    result: BrainExtraction,
    options: Options,
    *,
    inputs: Sequence[Path],
    outputs: Sequence[Mapping[str, Path]],
    absolute_paths: bool = False,
) -> dict[str, Any]:
    """Describe a run on a scan, and on those of `result.carried`, which are named behind it.

    Keys stay as they are within a major version; new ones may come.

    Returns
    -------
    dict
        ``version``: of SkullStrip. ``input``: file name, or the path if asked for, since folders
        often name people; of DICOM the series. ``outputs``: the same of what was written, by the
        names that `strip_file` has. ``volume_ml``: the mask's volume. ``volume_error_ml``: half
        width of its 90 % interval, null for another mask than was judged. ``verdict``: "pass",
        "check", "fail" or "not judged". ``judged``: which mask the verdict is of, as
        `BrainExtraction.judged`. ``dice_estimate``, ``dice_error``: that mask's estimated Dice, and
        half width of its 90 % interval. ``border_mm``, ``keep_csf`` and all else of
        `Options.settings`: as asked. ``views_used``: which slices were seen. ``engine``,
        ``device``: what ran the network. ``weights_sha256``, ``calibration_sha256``: hashes of the
        weights file and of what the verdict is made by. ``timings``: seconds of each stage.
        ``checks``: list of {"code", "severity", "message"} about the input. ``quality``: the
        verdict's reasons in the same form, with "position_ras" (mm) where one is about a place;
        empty for "pass". ``applied_to``: only where the mask was carried to other scans, for each
        of them "input", "outputs", "volume_ml", "verdict", "overlap" (Dice with the network's own
        look), "alignment" (null, or "moved_mm", "turned_degrees" and "matrix", which leads from the
        scan's RAS mm to the other's), "checks" and "quality".
    """

    def called(path: Path) -> str:
        return str(path.absolute()) if absolute_paths else path.name

    def files(number: int) -> dict[str, Any]:
        named = {name: called(path) for name, path in outputs[number].items()}
        return {"input": called(inputs[number]), "outputs": named}

    applied = [
        {
            **files(number),
            "volume_ml": round(carried.volume_ml, 3),
            "verdict": carried.verdict,
            **overlap_and_alignment(carried),
            **_findings(carried),
        }
        for number, carried in enumerate(result.carried, start=1)
    ]
    return {
        "version": __version__,
        **files(0),
        "volume_ml": round(result.volume_ml, 3),
        "volume_error_ml": rounded(result.volume_error_ml, 3),
        "verdict": result.verdict,
        "judged": result.judged,
        "dice_estimate": rounded(result.dice_estimate, 4),
        "dice_error": rounded(result.dice_error, 4),
        **options.settings(),
        "views_used": result.views_used,
        "engine": result.engine,
        "device": result.device,
        "weights_sha256": result.weights_sha256,
        "calibration_sha256": result.calibration_sha256,
        "timings": {stage: round(seconds, 3) for stage, seconds in result.timings.items()},
        **_findings(result),
        **({"applied_to": applied} if applied else {}),
    }


def _findings(result: BrainExtraction) -> dict[str, Any]:
    return {
        "checks": [check.as_dict() for check in result.checks],
        "quality": [check.as_dict() for check in result.quality],
    }


def overlap_and_alignment(carried: BrainExtraction) -> dict[str, Any]:
    """Return the "overlap" and "alignment" of a mask that was carried to another scan."""
    found = carried.alignment
    return {
        "overlap": rounded(carried.overlap, 4),
        "alignment": found
        and {
            "moved_mm": round(found.moved_mm, 3),
            "turned_degrees": round(found.turned_degrees, 3),
            "matrix": found.matrix.tolist(),
        },
    }


def rounded(value: float, digits: int) -> float | None:
    """Return None for what is not known: neither JSON nor a table has NaN."""
    return round(value, digits) if math.isfinite(value) else None


def quality_line(result: BrainExtraction) -> str:
    """Verdict, estimate and what they are of: ``pass (Dice about 0.988 ± 0.006)``."""
    said = []
    if math.isfinite(result.dice_estimate):
        said.append(f"Dice about {result.dice_estimate:.3f} ± {result.dice_error:.3f}")
    if math.isfinite(result.overlap):
        said.append(f"overlap {result.overlap:.3f} with the network's own look")
    if result.judged in JUDGED:
        said.append(JUDGED[result.judged])
    return f"{result.verdict} ({', '.join(said)})" if said else result.verdict


def volume_line(result: BrainExtraction) -> str:
    """Return the volume with its error: ``1442.4 mL ± 21 mL``."""
    error = result.volume_error_ml
    return f"{result.volume_ml:.1f} mL" + (f" ± {error:.0f} mL" if math.isfinite(error) else "")


def short_name(name: str) -> str:
    """Return a file's name for a title; of a long one the beginning and the end."""
    name, half = escaped(name), LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"


def to_json(content: Mapping[str, Any]) -> str:
    """JSON text, indented, non-ASCII kept."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
