"""What runs the network: several runtimes, chosen by name, and what to do when a GPU gives up.

A runtime is imported only when its engine is created.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import EngineError, SkullStripError
from .engine import ENGINE_NAMES, Engine, available_threads
from .manifest import Manifest, read_weights_file

INT8, FLOAT32 = ONNX_RUNTIME = ENGINE_NAMES[:2]


def create_engine(
    name: str,
    manifest: Manifest,
    weights_path: Path,
    device: str = "auto",
    threads: int | None = None,
) -> Engine:
    """Load the network into a runtime: one of `ENGINE_NAMES`, or "auto" for the first that works.

    `device` is "auto", "cpu" or "gpu"; `threads` of the CPU are by default, and at most, all that
    this process may use.

    Raises
    ------
    EngineError
        The runtime is not installed or does not work here, or `gpu` was asked for in vain.
    WeightsError
        The weights are missing, altered or of another network.
    """
    # More threads than processors are slower; ONNX Runtime takes minutes to start thousands.
    threads = min(threads or available_threads(), available_threads())
    if name != "auto":
        return _load_or_leave_gpu(name, manifest, weights_path, device, threads)
    failures: list[EngineError] = []
    for candidate in ENGINE_NAMES:
        if candidate == FLOAT32 or missing_packages(candidate):
            continue
        try:
            return _load_or_leave_gpu(candidate, manifest, weights_path, device, threads)
        except EngineError as error:
            failures.append(error)
    if failures:
        raise failures[0]  # of the best engine; Keras tries one in a process anyway
    raise EngineError(
        "No engine is installed; install one with 'pip install onnxruntime' (or tensorflow)."
    )


def missing_packages(name: str) -> list[str]:
    """Return what a runtime needs and is not installed, without importing any of it."""
    needed = ("onnxruntime",) if name in ONNX_RUNTIME else ("keras", "onnx", name)
    return [package for package in needed if importlib.util.find_spec(package) is None]


def _load_or_leave_gpu(
    name: str, manifest: Manifest, weights: Path, device: str, threads: int
) -> Engine:
    load_on_cpu = partial(_load, name, manifest, weights, "cpu", threads)
    try:
        engine = _load(name, manifest, weights, device, threads)
    except SkullStripError:
        raise
    except Exception as error:  # a runtime's own: the GPU has no room for the network
        if device == "cpu":
            raise
        engine = FallbackEngine(load_on_cpu(), load_on_cpu)
        engine.note = _note(error)
        return engine
    return engine if engine.device == "cpu" else FallbackEngine(engine, load_on_cpu)


def _load(name: str, manifest: Manifest, weights: Path, device: str, threads: int) -> Engine:
    if name not in ENGINE_NAMES:
        raise EngineError(f"The engine '{name}' is unknown; use one of {', '.join(ENGINE_NAMES)}.")
    if missing := missing_packages(name):
        raise EngineError(
            f"The engine '{name}' is not installed; use 'pip install {' '.join(missing)}'."
        )
    if name in ONNX_RUNTIME:
        from .onnxruntime_engine import OnnxRuntimeEngine, would_take_gpu

        int8 = name == INT8 and bool(manifest.int8_file) and not would_take_gpu(device)
        content = read_weights_file(manifest, weights, int8)
        return OnnxRuntimeEngine(content, device, threads, INT8 if int8 else FLOAT32)
    from .keras_engine import KerasEngine

    content = read_weights_file(manifest, weights)
    return KerasEngine(name, manifest.architecture, content, device, threads)


class FallbackEngine:
    """An engine on a GPU: where that gives up, batches get smaller, then the CPU does the work.

    Runtimes raise classes of their own when memory runs out, and some raise nothing clearer than
    `RuntimeError`; so any failure halves the batch, and one of a single slice ends the GPU's part.
    The engine to fall back to is made once at most; `note` says why, and is empty before.
    """

    def __init__(self, gpu: Engine, make_cpu_engine: Callable[[], Engine]) -> None:
        self._engine = gpu
        self._make_cpu_engine = make_cpu_engine
        self._largest_batch: int | None = None
        self._one_at_a_time = threading.Lock()
        self.note = ""

    @property
    def name(self) -> str:
        """What runs the network now."""
        return self._engine.name

    @property
    def device(self) -> str:
        """Where the network runs now."""
        return self._engine.device

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) float32 in [0, 1] to (N, H, W, 1) float32 probability."""
        with self._one_at_a_time:
            return self._predict(batch)

    def _predict(self, batch: np.ndarray) -> np.ndarray:
        parts: list[np.ndarray] = []
        start = 0
        while start < len(batch):
            part = batch[start : start + (self._largest_batch or len(batch))]
            try:
                parts.append(self._engine.predict(part))
                start += len(part)
            except Exception as error:
                if self.note:  # on the CPU already
                    raise
                if len(part) > 1:
                    self._largest_batch = len(part) // 2
                    continue
                self._engine, self._largest_batch = self._make_cpu_engine(), None
                self.note = _note(error)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _note(error: Exception) -> str:
    """Say why the CPU did the work."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return f"The GPU gave up ({reason}), so the CPU did the work."
