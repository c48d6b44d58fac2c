"""The contract between training and inference, kept as JSON beside the weights."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import WeightsError

MANIFEST_NAME = "manifest.json"
MAX_MANIFEST_BYTES = 2**20
MAX_WEIGHTS_BYTES = 2**30
FORMAT_VERSION = 1
CHANNELS = 3  # of the network's input: a slice and its two neighbours
# What older files also say, and the one value of each that any network had.
RETIRED: dict[str, Any] = {
    "encoder": "EfficientNetB0",
    "channels": 3,
    "orientation": "RAS",
    "slice_axis": 0,
    "neighbour_offset": 1,
    "low_percentile": 0.5,
    "high_percentile": 99.5,
    "head_margin_mm": 12.0,
    "threshold": 0.5,
}

# A manifest may come from elsewhere: beyond these least and most, memory or the network would be at
# its mercy.
_SPACINGS_MM, _WIDTHS = (0.5, 8.0), (1, 1024)
_LAYER = r"\w{1,50}"
_PATTERNS = {
    "name": r"[^\n]{1,200}",
    "weights_file": r"[A-Za-z0-9_][A-Za-z0-9._-]{0,100}",  # a file beside the manifest
    "weights_sha256": r"[0-9a-f]{64}",
    "int8_file": r"([A-Za-z0-9_][A-Za-z0-9._-]{0,100})?",
    "int8_sha256": r"([0-9a-f]{64})?",
    "calibration_sha256": r"([0-9a-f]{64})?",
    "top_layer": _LAYER,
    "skip_layers": _LAYER,
    "activation": "relu|swish",
}


@dataclass(frozen=True)
class Architecture:
    """What `unet.build_model` needs to build the same graph again, on EfficientNet-B0.

    The defaults are the released network. The textbook U-Net is
    `decoder_widths=(256, 128, 64, 32, 16)`, `top_layer="top_activation"`, `activation="swish"` and
    the expanded feature maps (`block2a_expand_activation` and so on) as skip connections.
    """

    skip_layers: tuple[str, ...] = (
        "block1a_project_bn",
        "block2b_add",
        "block3b_add",
        "block5c_add",
    )
    top_layer: str = "block7a_project_bn"
    decoder_widths: tuple[int, ...] = (160, 96, 48, 32)
    activation: str = "relu"  # of the encoder; in 8 bits swish takes a third more time

    def __post_init__(self) -> None:
        if len(self.skip_layers) != 4 or len(self.decoder_widths) not in (4, 5):
            raise WeightsError(
                f"The architecture has {len(self.skip_layers)} skip connections and "
                f"{len(self.decoder_widths)} decoder stages; it needs 4, and 4 or 5."
            )


@dataclass(frozen=True)
class Preprocessing:
    """What `preprocess.prepare` does to a scan, turned to RAS+, before the network sees it."""

    spacing_mm: float = 1.0


@dataclass(frozen=True)
class Manifest:
    """Everything that must be known to run a set of weights, and where they came from.

    `int8_file` is the same network in whole numbers, which ONNX Runtime runs faster on a CPU; ""
    where there is none. Everything else runs `weights_file`.
    """

    name: str
    weights_file: str
    weights_sha256: str
    architecture: Architecture = field(default_factory=Architecture)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    training: dict[str, Any] = field(default_factory=dict)
    calibration_sha256: str = ""  # of the verdict; "" where the bundled one judges
    int8_file: str = ""
    int8_sha256: str = ""
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """Serialise with sorted keys, so that equal manifests are equal files."""
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read what `to_json` wrote.

        Raise WeightsError for an unknown or missing key, a wrong type, or a newer format.
        """
        try:
            content = json.loads(text)
            version = content.get("format_version")
            if version != FORMAT_VERSION:
                raise WeightsError(
                    f"The manifest has format {version!r}; this version reads {FORMAT_VERSION}."
                )
            architecture = {"activation": "swish", **content.pop("architecture")}  # as it once was
            for key in ("skip_layers", "decoder_widths"):
                architecture[key] = tuple(architecture[key])
            preprocessing = content.pop("preprocessing")
            for fields in (architecture, preprocessing, content):
                _require_values(fields)
            return cls(
                architecture=Architecture(**without_retired(architecture)),
                preprocessing=Preprocessing(**without_retired(preprocessing)),
                **without_retired(content),
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise WeightsError(f"The manifest cannot be read ({error}).") from error


def without_retired(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a manifest or a part of it without what older files had."""
    return {name: value for name, value in fields.items() if name not in RETIRED}


def default_manifest_path() -> Path:
    """Find the bundled weights: beside the library in Slicer, inside it in the wheel."""
    library = Path(__file__).resolve().parents[1]
    beside = library.parent / "Resources" / "Models" / MANIFEST_NAME
    return beside if beside.is_file() else library / "Models" / MANIFEST_NAME


def load_manifest(path: str | Path | None = None) -> tuple[Manifest, Path]:
    """Read a manifest and say where its weights are; `read_weights_file` verifies their hash.

    `path` is a manifest, or the folder that holds one; the bundled weights by default. Raise
    WeightsError where it cannot be read.
    """
    manifest_path = default_manifest_path() if path is None else Path(path)
    if manifest_path.is_dir():
        manifest_path = manifest_path / MANIFEST_NAME
    try:
        require_file(manifest_path, MAX_MANIFEST_BYTES)
        manifest = Manifest.from_json(manifest_path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(
            f"No manifest can be read at '{manifest_path}'; give the folder or manifest.json "
            "that training exported."
        ) from error
    return manifest, manifest_path.parent / manifest.weights_file


def read_weights_file(manifest: Manifest, path: Path, int8: bool = False) -> bytes:
    """Read the weights that a manifest names, or the file beside them that holds them in int8.

    Raise WeightsError where the content is not what was released.
    """
    expected = manifest.weights_sha256
    if int8:
        path, expected = path.with_name(manifest.int8_file), manifest.int8_sha256
    try:
        require_file(path, MAX_WEIGHTS_BYTES)
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"The weights '{path}' cannot be read; install them again.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise WeightsError(
            f"The weights '{path}' have SHA-256 {found[:16]}..., not {expected[:16]}... as their "
            "manifest says; they were altered or cut short: install them again."
        )
    return content


def require_file(path: Path, max_bytes: int) -> None:
    """Refuse what is no ordinary file (a pipe would never end), or is too large to be meant."""
    if not path.is_file():
        raise FileNotFoundError(path)
    if path.stat().st_size > max_bytes:
        raise WeightsError(
            f"'{path}' has {path.stat().st_size:,} bytes, more than the {max_bytes:,} that a "
            "network's files may have; give the folder that training exported."
        )


def _require_values(content: Mapping[str, Any]) -> None:
    """Raise WeightsError for a value of the wrong type, or beyond what makes sense."""
    for name, value in content.items():
        elements = value if isinstance(value, tuple) else (value,)
        if not all(_is_allowed(name, each) for each in elements):
            raise WeightsError(
                f"The manifest's {name} is {repr(value)[:80]}, which no network here has."
            )


def _is_allowed(name: str, value: Any) -> bool:
    if name in _PATTERNS:
        return isinstance(value, str) and re.fullmatch(_PATTERNS[name], value) is not None
    if name == "decoder_widths":
        return type(value) is int and _WIDTHS[0] <= value <= _WIDTHS[1]
    if name == "spacing_mm":
        return type(value) in (int, float) and _SPACINGS_MM[0] <= value <= _SPACINGS_MM[1]
    return bool(value == RETIRED.get(name, value))
