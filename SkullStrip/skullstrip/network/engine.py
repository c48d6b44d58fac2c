"""What every runtime looks like from outside."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

OWN_GROUPS, GROUPS = "/proc/self/cgroup", "/sys/fs/cgroup"
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
    """Return as how many processors this process may run on, or may take the time of."""
    has_affinity = hasattr(os, "sched_getaffinity")
    counts = [len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1]
    for text in group_limits("cpu.max"):
        time, period = text.split()
        if time != "max":
            counts.append(math.ceil(int(time) / int(period)))
    return min(counts)


def group_limits(*names: str) -> Iterator[str]:
    """Yield what files of these names say of this process's control groups and of those above.

    So containers are limited, and jobs of Slurm and systemd.
    """
    with suppress(OSError):  # no Linux
        for line in Path(OWN_GROUPS).read_text(encoding="utf-8").splitlines():
            _, controllers, group = line.split(":", 2)
            folder = Path(f"{GROUPS}/{controllers}{group}")
            for place, name in product((folder, *folder.parents), names):
                with suppress(OSError):
                    yield (place / name).read_text(encoding="utf-8")


def padded(batch: np.ndarray, multiple: int = STRIDE) -> np.ndarray:
    """Return slices of a size that the network takes: of some multiple, and 128 at least.

    What is missing is air, behind each slice.
    """
    import numpy as np  # not above: commands set up its threads before it is loaded

    missing = [max(-size % multiple, LEAST_SIZE - size) for size in batch.shape[1:3]]
    if not any(missing):
        return batch
    return np.pad(batch, [(0, 0), *((0, more) for more in missing), (0, 0)])
