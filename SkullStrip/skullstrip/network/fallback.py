"""What to do when a GPU gives up: smaller batches, then the CPU, never a crash."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .engine import Engine


class FallbackEngine:
    """An engine on a GPU with another one on the CPU behind it.

    Runtimes raise classes of their own when memory runs out, and some raise nothing clearer than
    `RuntimeError`; so any failure halves the batch, and one of a single slice ends the GPU's part.

    Parameters
    ----------
    gpu : Engine
    make_cpu_engine : callable
        Loads the engine to fall back to; called at most once.

    Attributes
    ----------
    note : str
        Why the GPU was left; empty while it was not.
    """

    def __init__(self, gpu: Engine, make_cpu_engine: Callable[[], Engine]) -> None:
        self._engine = gpu
        self._make_cpu_engine = make_cpu_engine
        self._largest_batch: int | None = None
        self.name = gpu.name
        self.note = ""

    @property
    def device(self) -> str:
        """Where the network runs now."""
        return self._engine.device

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) float32 in [0, 1] to (N, H, W, 1) float32 probability."""
        parts: list[np.ndarray] = []
        start = 0
        while start < len(batch):
            part = batch[start : start + (self._largest_batch or len(batch))]
            try:
                parts.append(self._engine.predict(part))
            except Exception as error:  # noqa: BLE001
                self._give_way(error, len(part))
                continue
            start += len(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _give_way(self, error: Exception, failed_batch: int) -> None:
        """Make the next try easier, or raise the error if the CPU failed."""
        if self.note:
            raise error
        if failed_batch > 1:
            self._largest_batch = failed_batch // 2
        else:
            self._leave_gpu(error)

    def _leave_gpu(self, error: Exception) -> None:
        self._engine = self._make_cpu_engine()
        self._largest_batch = None
        self.note = note_of(error)


def without_gpu(error: Exception, make_cpu_engine: Callable[[], Engine]) -> FallbackEngine:
    """Return the CPU's engine where the GPU gave up before it held the network."""
    engine = FallbackEngine(make_cpu_engine(), make_cpu_engine)
    engine.note = note_of(error)
    return engine


def note_of(error: Exception) -> str:
    """Why the CPU did the work."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return f"The GPU gave up ({reason}), so the CPU did the work."
