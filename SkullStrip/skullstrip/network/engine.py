"""What every runtime looks like from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

ENGINE_NAMES = ("onnxruntime", "tensorflow", "torch", "jax")  # the order in which `auto` tries them


class Engine(Protocol):
    """A loaded network.

    Attributes
    ----------
    name : str
        The runtime, for example "tensorflow".
    device : str
        Where it runs: "cpu", "gpu" or a runtime's own word for an accelerator.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def device(self) -> str: ...  # noqa: D102

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) float32 in [0, 1] to (N, H, W, 1) float32 probability."""
        ...
