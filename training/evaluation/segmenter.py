"""The full pipeline as one function, its engine loaded once for many scans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from skullstrip.grid.volume import Volume
from skullstrip.options import Options
from skullstrip.pipeline import BrainExtraction, extract_brain, load_engine

Segmenter = Callable[[Volume], BrainExtraction]


def make_segmenter(options: Options = Options()) -> Segmenter:
    """Load the engine and return a function from a scan to its brain mask on the scan's grid."""
    loaded = replace(options, engine=load_engine(options))
    return lambda volume: extract_brain(volume.array, volume.affine, loaded)
