"""The full pipeline as one function, its engine loaded once for many scans."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from skullstrip.cli.common import view_choice
from skullstrip.grid.volume import Volume
from skullstrip.network.engine import Engine
from skullstrip.network.engines import create_engine
from skullstrip.network.manifest import load_manifest
from skullstrip.network.predict import VIEWS, Views
from skullstrip.pipeline import BrainExtraction, extract_brain

Segmenter = Callable[[Volume], BrainExtraction]


def make_segmenter(
    weights: Path | None = None,
    *,
    engine: str | Engine = "auto",
    device: str = "auto",
    threads: int | None = None,
    views: Views = "auto",
    border_mm: float = 0.0,
) -> Segmenter:
    """Load weights once and return a function from a scan to its brain mask on the scan's grid.

    Parameters
    ----------
    weights : Path, optional
        Manifest or its folder; the bundled weights by default.
    engine : str or Engine
        A runtime's name, or a loaded engine.
    device, threads, views, border_mm
        As `extract_brain` takes them.
    """
    if isinstance(engine, str):
        manifest, weights_path = load_manifest(weights)
        engine = create_engine(engine, manifest, weights_path, device, threads)
    loaded = engine

    def segment(volume: Volume) -> BrainExtraction:
        return extract_brain(
            volume.array,
            volume.affine,
            border_mm=border_mm,
            views=views,
            engine=loaded,
            weights=weights,
        )

    return segment


def add_segmenter_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that `segmenter_from` reads."""
    group = parser.add_argument_group("network")
    group.add_argument("--weights", type=Path, help="manifest or its folder; default: bundled")
    group.add_argument("--engine", default="auto", help="runtime; default: the fastest one here")
    group.add_argument("--device", default="auto", choices=("auto", "cpu", "gpu"))
    group.add_argument("--threads", type=int, help="processor threads; default: all")
    group.add_argument("--views", type=view_choice, default="auto", choices=tuple(VIEWS))


def segmenter_from(arguments: argparse.Namespace) -> Segmenter:
    """Make the segmenter that the command line asked for."""
    return make_segmenter(
        arguments.weights,
        engine=arguments.engine,
        device=arguments.device,
        threads=arguments.threads,
        views=arguments.views,
    )
