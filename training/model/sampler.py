"""Training examples, and batches of them made by worker processes in a fixed order.

An example is a pure function of its random generator, and batch k of a run one of the seed and k,
so that a resumed run sees what an uninterrupted one would have seen, with any number of workers.
Processes instead of `tf.data`: sampling is NumPy and OpenCV, and the same batches feed Keras on
TensorFlow, JAX and PyTorch.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from pathlib import Path

import numpy as np
from scipy import ndimage

from skullstrip.batch.workers import LocalWorkers
from skullstrip.errors import InputError

from ..augment import artefacts
from ..augment.synthesis import draw_look, paint
from ..data.sources import Source, load_sources
from .config import Config, Sampling, Stage
from .random_slices import centred_slab, random_slab

TRAINING_SPLITS = ("train", "labelmap")
VALIDATION_SPLITS = ("val",)
FINE_SPACING_MM = 1.5
REDRAW_SHARE = 0.8  # of sources to use sparingly
COARSE_LOOKS = ("epi", "t2star")  # acquired at low resolution, with signal lost
LESION_SHARE, CROP_SHARE, DEFACE_SHARE, BARE_SHARE = 0.15, 0.12, 0.2, 0.03
NOISE_LAST_SHARE = 0.5

Artefact = Callable[[np.ndarray, np.random.Generator], np.ndarray]
# In the order in which nature applies them: tissue, coil, acquisition, reconstruction.
EARLY: tuple[tuple[float, Artefact], ...] = (
    (0.08, artefacts.enhanced_lines),
    (0.6, artefacts.bias_field),
    (0.5, artefacts.tone_curve),
    (0.3, artefacts.blurred),
)
NOISE: tuple[float, Artefact] = (0.6, artefacts.rician_noise)
LATE: tuple[tuple[float, Artefact], ...] = (
    (0.2, artefacts.low_resolution),
    (0.3, artefacts.thick_planes),
    (0.08, artefacts.ghosted),
    (0.03, artefacts.noisy_air),
)

Pools = tuple[Sequence[Source], Sequence[Source], Sequence[Source]]
Batch = tuple[np.ndarray, np.ndarray]  # images and masks, or one of each


def batches(
    config: Config, stage: Stage, first_step: int, last_step: int, cache: Path, workers: int
) -> Iterator[Batch]:
    """Batches `first_step` to `last_step` - 1 in order, made ahead of time."""
    make = functools.partial(make_batch, config, stage, cache)
    steps = iter(range(first_step, last_step))
    waiting: deque[Future[Batch | Exception]] = deque()
    with LocalWorkers(workers, quiet=False) as processes:
        while True:
            for step in islice(steps, 4 * workers - len(waiting)):
                waiting.append(processes.submit(make, step))
            if not waiting:
                return
            batch = waiting.popleft().result()
            if isinstance(batch, Exception):
                raise batch
            yield batch


def make_batch(config: Config, stage: Stage, cache: Path, step: int) -> Batch:
    """Batch number `step` of a run: images uint8 (N, H, W, 3) and masks uint8 (N, H, W, 1)."""
    rng, pools = np.random.default_rng([config.seed, step]), cached_pools(cache)
    return stacked(
        random_example(pools, config.sampling, stage, rng) for _ in range(stage.batch_size)
    )


@functools.cache
def cached_pools(cache: Path) -> Pools:
    """Load the sources once a process, and keep its libraries to one thread."""
    import cv2

    cv2.setNumThreads(0)
    return pools_of(load_sources(cache, TRAINING_SPLITS))


def validation_slices(sources: Sequence[Source], config: Config, stage: Stage) -> Batch:
    """Undeformed slices of real scans at evenly spaced levels of the brain, always the same."""
    chosen = [source for source in sources if not source.is_labels]

    def example(index: int) -> Batch:
        source = chosen[index % len(chosen)]
        lower, upper = source.brain_box_mm[:, 0]
        share = (index // len(chosen) + 0.5) / max(1, config.validation_slices // len(chosen))
        return plain_example(source, 0, float(lower + (upper - lower) * min(share, 1.0)), stage)

    return stacked(map(example, range(config.validation_slices)))


def stacked(examples: Iterator[Batch]) -> Batch:
    """Return examples as one batch."""
    images, masks = zip(*examples, strict=True)
    return np.stack(images), np.stack(masks).astype(np.uint8)


def pools_of(sources: Sequence[Source]) -> Pools:
    """Sort sources by how they are drawn: label maps, fine scans and coarse scans."""
    scans = [source for source in sources if not source.is_labels]
    return (
        [source for source in sources if source.is_labels],
        [scan for scan in scans if scan.spacing_mm.max() <= FINE_SPACING_MM],
        [scan for scan in scans if scan.spacing_mm.max() > FINE_SPACING_MM],
    )


def draw(pools: Pools, sampling: Sampling, rng: np.random.Generator) -> Source:
    """Draw a pool by its share (an empty pool's share goes to the others), then a source.

    Raise InputError where all pools that have a share are empty.
    """
    synthetic, fine = sampling.synthetic_share, sampling.fine_share
    shares = np.array([synthetic, (1 - synthetic) * fine, (1 - synthetic) * (1 - fine)])
    shares *= [len(pool) > 0 for pool in pools]
    if not shares.any():
        labels, *scans = map(len, pools)
        raise InputError(
            f"No source to draw from: {labels} label maps with a share of {synthetic}, "
            f"{sum(scans)} scans with the rest; change 'synthetic_share' or the data."
        )
    pool = pools[int(rng.choice(3, p=shares / shares.sum()))]
    source = pool[int(rng.integers(len(pool)))]
    if source.subject in sampling.sparingly and rng.random() < REDRAW_SHARE:
        source = pool[int(rng.integers(len(pool)))]
    return source


def random_example(
    pools: Pools, sampling: Sampling, stage: Stage, rng: np.random.Generator
) -> Batch:
    """Draw a slice with its neighbours and mask; see `finish`."""
    source = draw(pools, sampling, rng)
    if not sampling.augment:  # an undeformed slice anywhere in the field of view
        plane = int(rng.choice(3, p=sampling.planes))
        return plain_example(source, plane, float(rng.uniform(0, source.extent_mm[plane])), stage)
    slab, pixel_mm = random_slab(source, sampling, stage.patch, stage.spacing_mm, rng)
    mask = read_mask(source, slab)
    if source.is_labels:
        look = draw_look(source.age_group, rng)
        codes = read_along(source.voxels, slab, order=0, kind=np.uint8)
        image = np.moveaxis(paint(codes, source, look, rng), 0, -1)
        if look in COARSE_LOOKS:
            image = artefacts.low_resolution(artefacts.dropout(image, rng), rng)
    else:
        image = read_image(source, slab)
        if rng.random() < sampling.remap_share:
            image = artefacts.remapped_contrast(image, rng)
    thick_mm = pixel_mm if rng.random() < sampling.thick_share else 0.0
    return finish(*degrade(image, mask, source, slab, thick_mm, rng))


def plain_example(source: Source, plane: int, level_mm: float, stage: Stage) -> Batch:
    """Cut a slice as inference sees it."""
    slab = centred_slab(source, plane, level_mm, stage.patch, stage.spacing_mm)
    return finish(read_image(source, slab), read_mask(source, slab))


def degrade(
    image: np.ndarray,
    mask: np.ndarray,
    source: Source,
    slab: np.ndarray,
    thick_mm: float,
    rng: np.random.Generator,
) -> Batch:
    """Disease, artefacts, noise and missing parts, each with its own probability.

    `thick_mm` is the spacing of the pixels if slices shall be thick, else 0.
    """
    if rng.random() < LESION_SHARE:
        image = artefacts.lesion(image, mask, rng)
    last = rng.random() < NOISE_LAST_SHARE
    for share, artefact in [*EARLY, *LATE, NOISE] if last else [*EARLY, NOISE, *LATE]:
        if rng.random() < share:
            image = artefact(image, rng)
    if thick_mm:
        image = artefacts.thick_slices(image, thick_mm, rng)
    if rng.random() < DEFACE_SHARE:
        points = slab * source.spacing_mm.reshape(3, 1, 1)
        image = artefacts.defaced(image, points, source.brain_outline_mm, rng)
    if rng.random() < BARE_SHARE:
        image = artefacts.outside_removed(image, mask, rng)
    if rng.random() < CROP_SHARE:
        image, mask = artefacts.cropped(image, mask, rng)
    return image, mask


def read_image(source: Source, slab: np.ndarray) -> np.ndarray:
    """Linearly interpolated intensities in [0, 1], shape (H, W, 3)."""
    values = read_along(source.voxels, slab, order=1, kind=np.float32)
    return np.moveaxis(values, 0, -1) / np.float32(255)


def read_mask(source: Source, slab: np.ndarray) -> np.ndarray:
    """Return the brain mask of the middle plane, shape (H, W)."""
    return read_along(source.mask, slab[1:2], order=1, kind=np.float32)[0] > 127


def read_along(voxels: np.ndarray, coordinates: np.ndarray, order: int, kind: type) -> np.ndarray:
    """Read a volume at (planes, 3, H, W) voxel coordinates; zero, which is air, outside."""
    points = np.moveaxis(coordinates, 1, 0)
    return ndimage.map_coordinates(
        voxels, points, output=kind, order=order, mode="constant", cval=0, prefilter=False
    )


def finish(image: np.ndarray, mask: np.ndarray) -> Batch:
    """Clip as the library does and pack into bytes, [0, 1] as [0, 255].

    The image, (H, W, 3), becomes uint8; the mask of its middle plane gets the shape (H, W, 1).
    """
    packed = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return packed, mask[..., None]
