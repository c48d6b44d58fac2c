"""The reference engine: Keras 3 on TensorFlow, and by the same code on PyTorch and JAX."""

from __future__ import annotations

import os
import sys
import threading
from importlib import import_module

import numpy as np

from ..errors import EngineError, WeightsError
from .engine import padded
from .manifest import Architecture
from .unet import build_model, load_weights, read_weights


class KerasEngine:
    """Runs the network in Keras on one of its backends.

    Keras fixes its backend when it is first imported, so one process has one backend; EngineError
    says so, and that there is no GPU where one was asked for. WeightsError: the manifest names no
    network that can be built, or the weights do not fit it.
    """

    def __init__(
        self, backend: str, architecture: Architecture, content: bytes, device: str, threads: int
    ) -> None:
        select_backend(backend)
        set_threads(backend, threads)
        self.name = backend
        self._scope = device_name(backend, device)
        self._one_at_a_time = threading.Lock()
        self.device = "cpu" if self._scope.startswith("cpu") else "gpu"
        import keras

        keras.config.disable_interactive_logging()
        with keras.device(self._scope):
            try:
                self._model = build_model(architecture)
            except ValueError as error:  # Keras': layers that are not there, or do not fit
                raise WeightsError(f"The manifest names no network ({error}).") from error
            load_weights(self._model, read_weights(content))

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) float32 in [0, 1] to (N, H, W, 1) float32 probability."""
        import keras

        height, width = batch.shape[1:3]
        with self._one_at_a_time, keras.device(self._scope):
            found = self._model.predict_on_batch(padded(batch))
        return np.asarray(found[:, :height, :width], dtype=np.float32)


# A runtime's own wish is to take most of the GPU's memory at its start, whatever else needs it:
# Slicer's views, other programs, a second worker.
QUIET_AND_MODEST = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


def select_backend(backend: str) -> None:
    """Make Keras use `backend`, quietly and with no more of a GPU's memory than it needs."""
    for name, value in QUIET_AND_MODEST.items():
        os.environ.setdefault(name, value)
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = backend
    import keras

    if keras.backend.backend() != backend:
        raise EngineError(
            f"Keras already runs on {keras.backend.backend()} in this process; "
            f"start a new one to use {backend}."
        )


def set_threads(backend: str, threads: int) -> None:
    """Bound the CPU threads, as far as the backend lets itself be told."""
    if backend == "tensorflow":
        import tensorflow

        try:
            tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        except RuntimeError:  # TensorFlow has started already and keeps the threads it has
            return
    elif backend == "torch":
        import torch

        torch.set_num_threads(threads)


def device_name(backend: str, device: str) -> str:
    """Keras' name of the device to use: "cpu:0" or "gpu:0", on PyTorch "cpu".

    PyTorch's tensors are on "cpu", which Keras 3.15 takes for another device than "cpu:0"; it then
    copies its integer variables and fails.
    """
    cpu = "cpu" if backend == "torch" else "cpu:0"
    if device == "cpu":
        return cpu
    if has_gpu(backend):
        return "gpu:0"
    if device == "gpu":
        raise EngineError(f"{backend} finds no GPU here; use '--device cpu' or 'auto'.")
    return cpu


def has_gpu(backend: str) -> bool:
    """Return whether a backend can reach a GPU."""
    runtime = import_module(backend)
    if backend == "tensorflow":
        return bool(runtime.config.list_physical_devices("GPU"))
    if backend == "torch":
        return bool(runtime.cuda.is_available())
    return bool(runtime.default_backend() == "gpu")
