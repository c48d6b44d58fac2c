"""What every runtime looks like from outside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

STRIDE = 32  # the network's encoder halves its input five times
LEAST_SIZE = 128  # voxels; in a smaller slice the network sees too little to tell skin from brain
# The first runs the network in int8 where its weights have that and the CPU does the work; all
# others run it in float32. `auto` tries them in this order, but for the second.
ENGINE_NAMES = ("onnxruntime", "onnxruntime-float32", "tensorflow", "torch", "jax")


class Engine(Protocol):
    """A loaded network; `name` is the runtime, `device` "cpu", "gpu" or a runtime's own word."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def device(self) -> str: ...  # noqa: D102

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) float32 in [0, 1] to (N, H, W, 1) float32 probability, of any size.

        Several threads may call it at a time.
        """
        ...


def available_threads() -> int:
    """Return processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def padded(batch: np.ndarray, multiple: int = STRIDE) -> np.ndarray:
    """Return slices of a size that the network takes: of some multiple, and 128 at least.

    What is missing is air, behind each slice.
    """
    import numpy as np  # not above: commands set up its threads before it is loaded

    missing = [max(-size % multiple, LEAST_SIZE - size) for size in batch.shape[1:3]]
    if not any(missing):
        return batch
    return np.pad(batch, [(0, 0), *((0, more) for more in missing), (0, 0)])
