"""Batches made by worker processes, in a fixed order.

Batch k of a run is a pure function of the seed and k, so that a resumed run sees what an
uninterrupted one would have seen, with any number of workers. Processes instead of `tf.data`:
sampling is NumPy and OpenCV, and the same pipeline feeds Keras on TensorFlow, JAX and PyTorch.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import numpy as np

from ..data.sources import Source, load_sources
from .config import Config, Stage
from .random_slices import centred_slab
from .sampler import Pools, finish, pools_of, random_example, read_image, read_mask

TRAINING_SPLITS = ("train", "labelmap")
VALIDATION_SPLITS = ("val",)

Batch = tuple[np.ndarray, np.ndarray]


@functools.cache
def worker_pools(folder: Path) -> Pools:
    """Load the sources once a process, and keep its libraries to one thread."""
    import cv2

    cv2.setNumThreads(0)
    return pools_of(load_sources(folder, TRAINING_SPLITS))


def end_with_parent() -> None:
    """End this worker when training is gone; one that was killed cannot tell it to."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def make_batch(config: Config, stage: Stage, step: int, cache: Path) -> Batch:
    """Batch number `step` of a run: images uint8 (N, H, W, 3) and masks uint8 (N, H, W, 1)."""
    rng = np.random.default_rng([config.seed, step])
    pools = worker_pools(cache)
    examples = [random_example(pools, config.sampling, stage, rng) for _ in range(stage.batch_size)]
    images, masks = zip(*examples, strict=True)
    return np.stack(images), np.stack(masks).astype(np.uint8)


def batches(
    config: Config, stage: Stage, first_step: int, last_step: int, cache: Path, workers: int
) -> Iterator[Batch]:
    """Batches `first_step` to `last_step` - 1 in order, made ahead of time."""
    waiting: deque[Future[Batch]] = deque()
    steps = iter(range(first_step, last_step))
    context = multiprocessing.get_context("spawn")  # forking a process that runs JAX can hang
    pool = ProcessPoolExecutor(workers, context, initializer=end_with_parent)
    try:
        while True:
            while len(waiting) < 4 * workers and (step := next(steps, None)) is not None:
                waiting.append(pool.submit(make_batch, config, stage, step, cache))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def validation_slices(sources: Sequence[Source], config: Config, stage: Stage) -> Batch:
    """Undeformed slices of real scans at evenly spaced levels of the brain, always the same."""
    chosen = [source for source in sources if not source.is_labels]
    examples = []
    for index in range(config.validation_slices):
        source = chosen[index % len(chosen)]
        lower, upper = source.brain_box_mm
        share = (index // len(chosen) + 0.5) / max(1, config.validation_slices // len(chosen))
        position_mm = float(lower[0] + (upper[0] - lower[0]) * min(share, 1.0))
        slab = centred_slab(source, 0, position_mm, stage.patch, stage.spacing_mm)
        examples.append(finish(read_image(source, slab), read_mask(source, slab)))
    images, masks = zip(*examples, strict=True)
    return np.stack(images), np.stack(masks).astype(np.uint8)
