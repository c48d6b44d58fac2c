"""The engine that users get: ONNX Runtime, small to install and quick to start."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np

from ..errors import EngineError, WeightsError, is_out_of_memory, reason_of
from .engine import STRIDE, padded
from .manifest import CHANNELS

CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"
GPU_PROVIDERS = (CUDA_PROVIDER, "DmlExecutionProvider", "CoreMLExecutionProvider")
# By default every convolution is timed for every shape of a window: 10 s a head instead of 3.
PROVIDER_OPTIONS = {CUDA_PROVIDER: {"cudnn_conv_algo_search": "HEURISTIC"}}
ERRORS_ONLY = 3  # of ONNX Runtime's logging levels
MOST_RUNS = 8  # at a time on the CPU; a batch of large slices has no more
SIZE_MULTIPLE = "size_multiple"  # in the metadata of a network that takes others than of 32
SLICES_A_RUN = 2  # at most, so that no thread waits long for the last one


class OnnxRuntimeEngine:
    """Runs the network in ONNX Runtime.

    On the CPU, threads share a batch slice by slice: two that work on one slice together reached
    0.59 of the rate of a matrix product, two with slices of their own 0.73. The weights file comes
    from memory, so that it can name no other file; `name` tells its precision. Raise EngineError
    where there is no GPU as asked for or nothing starts, and WeightsError for another network.
    """

    def __init__(self, content: bytes, device: str, threads: int, name: str) -> None:
        onnxruntime = import_quietly()
        self.name = name
        providers = choose_providers(device, onnxruntime.get_available_providers())
        if CUDA_PROVIDER in providers and hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()  # CUDA's libraries where pip put them, which no path names
        options = onnxruntime.SessionOptions()
        runs = min(threads, MOST_RUNS)
        options.intra_op_num_threads = threads // runs
        options.log_severity_level = ERRORS_ONLY
        options.enable_mem_pattern = False  # one for each shape of a window, 20 MB in all
        # Idle threads that spin take processor time from whatever else runs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                content,
                options,
                providers=providers,
                provider_options=[PROVIDER_OPTIONS.get(name, {}) for name in providers],
            )
        except Exception as error:  # its own classes derive from this alone
            if is_out_of_memory(error):
                raise MemoryError(str(error)) from error
            reason = reason_of(error)
            if providers == [CPU_PROVIDER]:
                raise WeightsError(f"The weights are no network that runs ({reason}).") from error
            raise EngineError(f"ONNX Runtime cannot run the network ({reason}).") from error
        shapes = [
            [size for size in tensor.shape if isinstance(size, int)]
            for tensor in (*self._session.get_inputs(), *self._session.get_outputs())
        ]
        if shapes != [[CHANNELS], [1]]:
            raise WeightsError(
                "The weights are another kind of network; give the folder that training exported."
            )
        kept = self._session.get_modelmeta().custom_metadata_map
        self._multiple = int(kept.get(SIZE_MULTIPLE, STRIDE))
        self.device = device_in_use(device, self._session.get_providers())
        self._runs = ThreadPoolExecutor(runs if self.device == "cpu" else 1)

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) float32 in [0, 1] to (N, H, W, 1) float32 probability."""
        height, width = batch.shape[1:3]
        batch = padded(batch, self._multiple)
        at_a_time = SLICES_A_RUN if self.device == "cpu" else len(batch)
        parts = [batch[start : start + at_a_time] for start in range(0, len(batch), at_a_time)]
        found = np.concatenate(list(self._runs.map(self._run, parts)))
        return found[:, :height, :width]

    def _run(self, batch: np.ndarray) -> np.ndarray:
        return self._session.run(None, {"image": batch})[0]


def import_quietly() -> ModuleType:
    """Return ONNX Runtime; else it writes a device id and a queue of events, and sends them."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime


def would_take_gpu(device: str) -> bool:
    """Return whether ONNX Runtime is to run the network on a GPU; `choose_providers` raises."""
    return choose_providers(device, import_quietly().get_available_providers()) != [CPU_PROVIDER]


def choose_providers(device: str, available: Iterable[str]) -> list[str]:
    """Choose the execution providers to ask for, best first.

    Raise EngineError where `gpu` was asked for and there is none.
    """
    gpus = [name for name in GPU_PROVIDERS if name in set(available)]
    if device == "cpu":
        return [CPU_PROVIDER]
    if device == "gpu" and not gpus:
        raise EngineError(
            "This ONNX Runtime reaches no GPU; install onnxruntime-gpu (NVIDIA) or "
            "onnxruntime-directml (Windows), or use '--device cpu'."
        )
    return [*gpus[:1], CPU_PROVIDER]


def device_in_use(device: str, providers: Iterable[str]) -> str:
    """Return "gpu" or "cpu": what a session really runs on, whatever it was asked for.

    Raise EngineError where `gpu` was asked for and its driver does not work.
    """
    if any(name in GPU_PROVIDERS for name in providers):
        return "gpu"
    if device == "gpu":
        raise EngineError(
            "ONNX Runtime cannot use the GPU here; check its driver and libraries, or use "
            "'--device cpu'."
        )
    return "cpu"
