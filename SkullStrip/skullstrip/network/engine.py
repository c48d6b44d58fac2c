"""What every runtime looks like from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

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
        """(N, H, W, 3) float32 in [0, 1] to (N, H, W, 1) float32 probability.

        Several threads may call it at a time.
        """
        ...
