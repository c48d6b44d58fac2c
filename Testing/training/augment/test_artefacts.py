"""What scanners, diseases and anonymisers do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from Testing.small_sources import small_scan
from training.augment import artefacts
from training.data.sources import Source
from training.model.random_slices import Slab, centred_slab
from training.model.sampler import read_image, read_mask

SEEDS = range(6)
PLAIN = (
    artefacts.bias_field, artefacts.tone_curve, artefacts.remapped_contrast,
    artefacts.rician_noise, artefacts.low_resolution, artefacts.thick_planes, artefacts.blurred,
    artefacts.ghosted, artefacts.noisy_air, artefacts.enhanced_lines, artefacts.dropout,
)  # fmt: skip
SHAPE_KEEPING = [
    *[(function.__name__, lambda i, _m, r, f=function: f(i, r)) for function in PLAIN],
    ("thick_slices", lambda i, _m, r: artefacts.thick_slices(i, 1.0, r)),
    ("lesion", artefacts.lesion),
    ("outside_removed", artefacts.outside_removed),
    ("cropped", lambda i, m, r: artefacts.cropped(i, m, r)[0]),
    ("defaced", lambda i, _m, r: artefacts.defaced(i, positions_mm(), outline_mm(), r)),
]
Spoil = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
spoilt = pytest.mark.parametrize(
    "spoil", [spoil for _, spoil in SHAPE_KEEPING], ids=[name for name, _ in SHAPE_KEEPING]
)


def slice_of(source: Source, plane: int = 0) -> tuple[Slab, np.ndarray, np.ndarray]:
    middle = float(source.brain_box_mm.mean(axis=0)[plane])
    slab = centred_slab(source, plane, middle, 64, 2.0)
    return slab, read_image(source, slab), read_mask(source, slab)


def positions_mm() -> np.ndarray:
    source = small_scan()
    return slice_of(source)[0].voxel * source.spacing_mm.reshape(3, 1, 1)


def outline_mm() -> np.ndarray:
    return small_scan().brain_outline_mm


@spoilt
def test_an_image_stays_an_image_that_the_generator_alone_decides(spoil):
    _, image, mask = slice_of(small_scan())
    before, mask_before, changed = image.copy(), mask.copy(), False
    for seed in SEEDS:
        result = spoil(image, mask, np.random.default_rng(seed))
        assert (result.shape, result.dtype) == (image.shape, np.float32)
        assert np.isfinite(result).all()
        assert result.min() >= 0
        assert np.array_equal(result, spoil(image, mask, np.random.default_rng(seed)))
        changed |= not np.array_equal(result, image)
    assert changed, "something is done to the image"
    assert np.array_equal(image, before)  # the caller's arrays are left as they are
    assert np.array_equal(mask, mask_before)
    empty = np.zeros_like(image)
    assert np.isfinite(spoil(empty, np.zeros_like(mask), np.random.default_rng(1))).all()


def test_where_cropping_takes_the_image_it_takes_the_mask():
    image, mask = np.ones((64, 64, 3), np.float32), np.ones((64, 64), bool)
    for seed in range(20):
        cut, cut_mask = artefacts.cropped(image, mask, np.random.default_rng(seed))
        assert np.array_equal(cut_mask, cut[..., 1] == 1)
        assert 0 < cut_mask.mean() < 1


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("plane", [0, 1, 2])
def test_defacing_never_removes_brain(plane, spacing_mm):
    source = small_scan(spacing_mm=spacing_mm)
    slab = centred_slab(source, plane, float(source.brain_box_mm.mean(axis=0)[plane]), 64, 2.0)
    mask = read_mask(source, slab)
    ones = np.ones((64, 64, 3), np.float32)
    points = slab.voxel * source.spacing_mm.reshape(3, 1, 1)
    for seed in range(30):
        left = artefacts.defaced(ones, points, source.brain_outline_mm, np.random.default_rng(seed))
        assert left[mask][:, 1].min() == 1


def test_defacing_removes_front_and_below_and_never_behind_and_above():
    source = small_scan()
    slab, _, _ = slice_of(source)
    points = slab.voxel * source.spacing_mm.reshape(3, 1, 1)
    ones = np.ones((64, 64, 3), np.float32)
    removed = np.zeros((64, 64), bool)
    for seed in range(30):
        left = artefacts.defaced(ones, points, source.brain_outline_mm, np.random.default_rng(seed))
        removed |= left[..., 1] == 0
    assert removed[-1, 0]  # rows run to anterior, columns to superior
    assert not removed[0, -1]


def test_the_outline_clears_every_voxel_of_the_brain():
    source = small_scan()
    voxels = np.argwhere(source.mask)[:, 1:] * source.spacing_mm[1:]
    for angle in np.linspace(0, 2 * np.pi, 16):
        direction = np.array([np.cos(angle), np.sin(angle)])
        reach = (source.brain_outline_mm @ direction).max() - (voxels @ direction).max()
        half_voxel = np.abs(direction * source.spacing_mm[1:]).sum() / 2
        assert reach == pytest.approx(half_voxel, abs=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rough_strip_keeps_all_of_the_brain_and_loses_the_distance(seed):
    _, image, mask = slice_of(small_scan())
    left = artefacts.outside_removed(image, mask, np.random.default_rng(seed))
    assert np.array_equal(left[mask], image[mask])
    assert not left[0].any()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lesion_stays_in_the_brain(seed):
    _, image, mask = slice_of(small_scan())
    result = artefacts.lesion(image, mask, np.random.default_rng(seed))
    assert np.array_equal(result[~mask], image[~mask])


def test_a_slice_with_hardly_any_brain_gets_no_lesion():
    image, mask = np.ones((64, 64, 3), np.float32), np.zeros((64, 64), bool)
    mask[:3, :3] = True
    assert artefacts.lesion(image, mask, np.random.default_rng(0)) is image


def test_noise_in_the_air_leaves_tissue_alone():
    _, image, _ = slice_of(small_scan())
    result = artefacts.noisy_air(image, np.random.default_rng(0))
    assert np.array_equal(result[image > 0.1], image[image > 0.1])
    assert result[image == 0].mean() > 0.1


def test_rician_noise_raises_the_background():
    noisy = artefacts.rician_noise(np.zeros((64, 64, 3), np.float32), np.random.default_rng(2))
    assert noisy.min() >= 0
    assert noisy.mean() > noisy.std()  # Rayleigh: mean 1.25, spread 0.66 of sigma


@pytest.mark.parametrize("seed", SEEDS)
def test_thick_planes_keep_the_mean_over_the_planes(seed):
    _, image, _ = slice_of(small_scan())
    image = image * np.array([0.5, 1.0, 0.8], np.float32)
    thick = artefacts.thick_planes(image, np.random.default_rng(seed))
    assert thick.mean(axis=-1) == pytest.approx(image.mean(axis=-1), abs=1e-5)
    assert np.ptp(thick, axis=-1).mean() < np.ptp(image, axis=-1).mean()
