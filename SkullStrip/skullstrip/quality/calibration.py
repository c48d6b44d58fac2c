"""What was learned about masks: how measures tell their Dice, what is unusual, what to believe.

A small JSON file beside the weights, written by `python -m training quality`; weights without one
are judged by the bundled file.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import WeightsError
from ..network.manifest import MAX_MANIFEST_BYTES, Manifest, default_manifest_path, require_file
from ..network.predict import VIEWS, Views

CALIBRATION_NAME = "quality.json"
# What an estimate rests on; each has intervals of its own width.
Ground = Literal["sure", "unsure", "contradicted"]
LIMITED = ("asymmetry", "roughness", "removed_ml", "surface_entropy")  # measures with a limit
KEYS: dict[str, tuple[str, ...]] = {
    "doubt": ("constant", "own", "entropy", "asymmetry"),
    "second": ("allowance", "distrust", "usual_doubt"),
    "relative_error": get_args(Ground),
    "relative_volume_error": get_args(Ground),
    "limits": LIMITED,
    "confidence": ("constant", "certainty", "disagreement", "both", "strong"),
}


@dataclass(frozen=True)
class Calibration:
    """Numbers of the verdict; `training/calibration/fit.py` says how each is found."""

    # log(1 - Dice) that the mask and the network's own doubts give.
    doubt: dict[str, float]
    # What is taken off the coronal slices' disagreement with a mask: the share "allowance" of their
    # own doubts, and "distrust" times what they exceed "usual_doubt" by.
    second: dict[str, float]
    # Half width of the estimate's 90 % interval, over 1 - estimate, by what the estimate rests on:
    # "sure", "unsure" (the network of the surface), "contradicted" (by the coronal slices).
    relative_error: dict[str, float]
    # The same of the volume, over volume times (1 - estimate).
    relative_volume_error: dict[str, float]
    check_below: float  # estimated Dice under which the verdict is not "pass"
    fail_below: float  # under which it is "fail"
    limits: dict[str, float]  # values of measures that hardly a right mask exceeds
    # Where the network is as sure of the surface as on clean scans, coronal slices disagree no more
    # than this with a right mask.
    sure_entropy: float
    sure_disagreement_cm2: float
    # log odds that a voxel's label is right; see `evidence.confidence_terms`.
    confidence: dict[str, float]
    provenance: dict[str, Any] = field(default_factory=dict)  # weights, data and commit

    def __post_init__(self) -> None:
        for name, keys in KEYS.items():
            group = getattr(self, name)
            if not isinstance(group, dict) or set(group) != set(keys):
                raise ValueError(f"'{name}' must have {', '.join(keys)}")
            if not all(
                isinstance(one, int | float) and math.isfinite(one) for one in group.values()
            ):
                raise ValueError(f"'{name}' must hold numbers")


@dataclass(frozen=True)
class Calibrations:
    """A calibration for each choice of views: fused masks are better and surer than one view's."""

    by_views: Mapping[str, Calibration]  # "auto", "1" and "3"

    def of(self, views: Views) -> Calibration:
        """Return the calibration of masks made of these views."""
        return self.by_views[str(views)]

    def to_json(self) -> str:
        """Serialise in the order of the fields, so that equal calibrations are equal files."""
        content = {views: asdict(calibration) for views, calibration in self.by_views.items()}
        return json.dumps(content, indent=2) + "\n"

    @property
    def sha256(self) -> str:
        """Hash of its content, whatever a file's white space and line ends."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> Calibrations:
        """Read what `to_json` wrote; raise WeightsError where it is anything else."""
        try:
            content = json.loads(text)
            found = {views: Calibration(**content.pop(views)) for views in map(str, VIEWS)}
            if content:
                raise ValueError(f"'{next(iter(content))}' is unknown")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise WeightsError(
                f"The calibration of the verdict cannot be read ({error})."
            ) from error
        return cls(found)


def load_calibration(manifest: Manifest | None = None, folder: Path | None = None) -> Calibrations:
    """Read the calibrations that a manifest names, or the bundled one where it names none.

    `folder` is where the manifest lies. Raise WeightsError where the file cannot be read, or is
    another one than the manifest names.
    """
    bundled = default_manifest_path()
    path = (folder or bundled.parent) / CALIBRATION_NAME
    try:
        if manifest is None or (not manifest.calibration_sha256 and not path.is_file()):
            path = bundled.with_name(CALIBRATION_NAME)
            manifest = Manifest.from_json(bundled.read_text(encoding="utf-8"))
        require_file(path, MAX_MANIFEST_BYTES)
        found = Calibrations.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(
            f"The calibration of the verdict '{path}' cannot be read; install SkullStrip again."
        ) from error
    if found.sha256 != manifest.calibration_sha256:
        named = manifest.calibration_sha256[:16] or "none"
        raise WeightsError(
            f"The calibration of the verdict '{path}' has SHA-256 {found.sha256[:16]}, but the "
            f"manifest beside it names {named}; install both again."
        )
    return found
