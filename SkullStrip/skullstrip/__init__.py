"""SkullStrip: brain extraction from T1-weighted head MRI.

The pure core: no Slicer, no network runtime until a volume is stripped. Names are loaded on first
use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .apply import apply_brain
    from .batch.run import strip_batch
    from .errors import (
        Cancelled,
        EngineError,
        InputError,
        OutputError,
        SkullStripError,
        WeightsError,
    )
    from .files import strip_file
    from .pipeline import BrainExtraction, extract_brain

_HOMES = {  # of what is no error
    "BrainExtraction": "pipeline",
    "apply_brain": "apply",
    "extract_brain": "pipeline",
    "strip_batch": "batch.run",
    "strip_file": "files",
}

__all__ = [
    "BrainExtraction",
    "Cancelled",
    "EngineError",
    "InputError",
    "OutputError",
    "SkullStripError",
    "WeightsError",
    "__version__",
    "apply_brain",
    "extract_brain",
    "strip_batch",
    "strip_file",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)


def __dir__() -> list[str]:
    return __all__
