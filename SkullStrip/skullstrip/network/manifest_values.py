"""What a manifest's values may be: it is a file, perhaps from elsewhere, and no program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import WeightsError

# Least and most that makes sense; beyond, memory or the network would be at the file's mercy.
_RANGES: dict[str, tuple[float, float]] = {
    "spacing_mm": (0.5, 8.0),
    "low_percentile": (0.0, 50.0),
    "high_percentile": (50.0, 100.0),
    "head_margin_mm": (0.0, 100.0),
    "threshold": (0.01, 0.99),
}
_WHOLE_RANGES: dict[str, tuple[int, int]] = {
    "channels": (3, 3),  # a slice and its two neighbours
    "slice_axis": (0, 0),
    "neighbour_offset": (1, 16),
}
_PATTERNS = {
    "name": r"[^\n]{1,200}",
    "weights_file": r"[A-Za-z0-9_][A-Za-z0-9._-]{0,100}",  # a file beside the manifest
    "weights_sha256": r"[0-9a-f]{64}",
    "calibration_sha256": r"([0-9a-f]{64})?",
    "encoder": r"\w{1,50}",
    "top_layer": r"\w{1,50}",
    "orientation": r"RAS",
}
_LAYER = r"\w{1,50}"
MAX_WIDTH = 1024  # channels of a decoder stage


def require_values(content: Mapping[str, Any]) -> None:
    """Refuse values of the wrong type, or beyond what makes sense.

    Parameters
    ----------
    content : mapping
        The fields of a manifest, of its architecture or of its preprocessing, by name. Fields
        that are not known here are not looked at.

    Raises
    ------
    WeightsError
        Names the field and its value.
    """
    for name, value in content.items():
        if not _is_allowed(name, value):
            shown = repr(value)[:80]
            raise WeightsError(f"The manifest's {name} is {shown}, which no network here has.")


def _is_allowed(name: str, value: Any) -> bool:
    if name in _PATTERNS:
        return isinstance(value, str) and re.fullmatch(_PATTERNS[name], value) is not None
    if name in _WHOLE_RANGES:
        return _is_whole(value, *_WHOLE_RANGES[name])
    if name in _RANGES:
        low, high = _RANGES[name]
        return type(value) in (int, float) and low <= value <= high
    if name == "decoder_widths":
        return isinstance(value, tuple) and all(_is_whole(width, 1, MAX_WIDTH) for width in value)
    if name == "skip_layers":
        return isinstance(value, tuple) and all(
            isinstance(layer, str) and re.fullmatch(_LAYER, layer) for layer in value
        )
    return True


def _is_whole(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high
