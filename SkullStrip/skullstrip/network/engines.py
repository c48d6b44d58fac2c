"""What runs the network: several runtimes, chosen by name.

A runtime is imported only when its engine is created.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from ..errors import EngineError, SkullStripError
from .engine import ENGINE_NAMES, Engine
from .fallback import FallbackEngine, without_gpu
from .manifest import Manifest


def create_engine(
    name: str,
    manifest: Manifest,
    weights_path: Path,
    device: str = "auto",
    threads: int | None = None,
) -> Engine:
    """Load the network into a runtime.

    Parameters
    ----------
    name : {"auto", "onnxruntime", "tensorflow", "torch", "jax"}
        `auto` takes the first that is installed and works.
    device : {"auto", "cpu", "gpu"}
    threads : int, optional
        CPU threads; by default, and at most, all that this process may use.

    Raises
    ------
    EngineError
        The runtime is not installed or does not work here, or `gpu` was asked for in vain.
    """
    # More threads than processors are slower; ONNX Runtime takes minutes to start thousands.
    threads = min(threads or available_threads(), available_threads())

    if name != "auto":
        return _load_or_leave_gpu(name, manifest, weights_path, device, threads)
    failures = []
    for candidate in ENGINE_NAMES:
        if not is_installed(candidate):
            continue
        try:
            return _load_or_leave_gpu(candidate, manifest, weights_path, device, threads)
        except EngineError as error:
            failures.append(str(error))
    raise EngineError(
        " ".join(failures)
        or "No engine is installed; install one with 'pip install onnxruntime' (or tensorflow)."
    )


def is_installed(name: str) -> bool:
    """Return whether a runtime and what it needs can be imported, without importing them."""
    return not missing_packages(name)


def missing_packages(name: str) -> list[str]:
    """Return what a runtime needs and is not installed."""
    needed = (name,) if name == "onnxruntime" else ("keras", "onnx", name)
    return [package for package in needed if importlib.util.find_spec(package) is None]


def available_threads() -> int:
    """Return processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _load_or_leave_gpu(
    name: str, manifest: Manifest, weights: Path, device: str, threads: int
) -> Engine:
    def load_on_cpu() -> Engine:
        return _load(name, manifest, weights, "cpu", threads)

    try:
        engine = _load(name, manifest, weights, device, threads)
    except SkullStripError:
        raise
    except Exception as error:  # a runtime's own: the GPU has no room for the network
        if device == "cpu":
            raise
        return without_gpu(error, load_on_cpu)
    return engine if engine.device == "cpu" else FallbackEngine(engine, load_on_cpu)


def _load(name: str, manifest: Manifest, weights: Path, device: str, threads: int) -> Engine:
    if name not in ENGINE_NAMES:
        raise EngineError(f"The engine '{name}' is unknown; use one of {', '.join(ENGINE_NAMES)}.")
    if missing := missing_packages(name):
        raise EngineError(
            f"The engine '{name}' is not installed; use 'pip install {' '.join(missing)}'."
        )
    if name == "onnxruntime":
        from .onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(manifest, weights, device, threads)
    from .keras_engine import KerasEngine

    return KerasEngine(name, manifest, weights, device, threads)
