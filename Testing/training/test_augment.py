"""Images from label maps, and what scanners, diseases and anonymisers do to them."""

import numpy as np
import pytest

from Testing.small_sources import small_label_map, small_scan
from training.augment import artefacts
from training.augment.synthesis import (
    ANYTHING,
    LOOKS,
    SHARES,
    draw_look,
    label_window,
    paint,
    random_means,
)
from training.model.random_slices import centred_slab
from training.model.sampler import read_image, read_mask

NAMES = ("air:0:out", "white:2:in", "grey:3:in", "csf:24:in", "soft:258:deep", "bone:165:deep")
SOURCE = small_label_map()
CODES = SOURCE.voxels[27:30]


def painted(seed):
    look = list(SHARES["adult"])[seed % len(SHARES["adult"])]
    return paint(CODES, SOURCE, look, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(len(SHARES["adult"])))
def test_an_image_is_finite_and_about_within_the_window(seed):
    image = painted(seed)
    assert (image.shape, image.dtype) == (CODES.shape, np.float32)
    assert np.isfinite(image).all()
    assert np.percentile(image, 2) > -0.5
    assert np.percentile(image, 98) < 1.5
    assert np.percentile(image, 99) - np.percentile(image, 1) > 0.4
    assert np.array_equal(painted(seed), image)
    assert not np.array_equal(painted(seed + 1), image)


def means_of(look, names=NAMES):
    drawn = [random_means(names, look, np.random.default_rng(seed)) for seed in range(300)]
    return np.array(drawn)


RISING = {
    "t1": "csf grey white", "t1ce": "csf grey white", "t2": "white grey csf",
    "flair": "csf white grey", "pd": "bone white grey", "epi": "bone white grey csf",
    "ct": "csf grey bone", "unmyelinated_t1": "csf white grey",
    "unmyelinated_t2": "grey white csf", "t2star": "bone white csf",
}  # fmt: skip


@pytest.mark.parametrize("look", RISING)
def test_tissues_of_a_look_are_ordered_as_in_its_images(look):
    tissues = [name.split(":")[0] for name in NAMES]
    means = np.median(means_of(look), axis=0)
    values = [means[tissues.index(tissue)] for tissue in RISING[look].split()]
    assert values == sorted(values)


def test_every_look_is_drawn_at_times_and_unmyelinated_ones_far_more_often_for_infants():
    assert {look for shares in SHARES.values() for look in shares} == {*LOOKS, ANYTHING}
    rng, often = np.random.default_rng(0), {}
    for group in ("infant", "adult", ""):
        drawn = [draw_look(group, rng).startswith("unmyelinated") for _ in range(400)]
        often[group] = np.mean(drawn)
    assert often["infant"] > 0.3
    assert 0 < often["adult"] < 0.1
    assert often[""] < 0.1


def test_every_tissue_is_at_times_bright_and_at_times_dark():
    tissues = means_of(ANYTHING)[:, 1:]
    assert tissues.min(axis=0).max() < 0.2
    assert tissues.max(axis=0).min() > 0.7


def test_a_shell_does_not_always_look_like_its_parent():
    means = means_of("t1", ("air:0:out", "soft:258:deep", "soft:258:shell"))
    same = np.isclose(means[:, 1], means[:, 2])
    assert 0.25 < same.mean() < 0.55


def test_the_window_leaves_out_a_label_of_few_voxels_and_is_never_empty():
    means, counts = np.array([0.0, 0.2, 0.8, 1.3]), np.array([10_000, 3_000, 5_000, 10])
    assert label_window(means, counts) == (0.0, 0.8)
    low, high = label_window(np.full(3, 0.4), np.array([5, 5, 5]))
    assert high > low == 0.4


SEEDS = range(6)
PLAIN = (
    artefacts.bias_field, artefacts.tone_curve, artefacts.remapped_contrast,
    artefacts.rician_noise, artefacts.low_resolution, artefacts.thick_planes, artefacts.blurred,
    artefacts.ghosted, artefacts.noisy_air, artefacts.enhanced_lines, artefacts.dropout,
)  # fmt: skip
SPOIL = {
    **{function.__name__: lambda i, _m, r, f=function: f(i, r) for function in PLAIN},
    "thick_slices": lambda i, _m, r: artefacts.thick_slices(i, 1.0, r),
    "lesion": artefacts.lesion,
    "outside_removed": artefacts.outside_removed,
    "cropped": lambda i, m, r: artefacts.cropped(i, m, r)[0],
    "defaced": lambda i, _m, r: artefacts.defaced(i, *brain_in_mm(), r),
}


def slice_of(source, plane=0):
    middle = float(source.brain_box_mm.mean(axis=0)[plane])
    slab = centred_slab(source, plane, middle, 64, 2.0)
    return slab, read_image(source, slab), read_mask(source, slab)


def brain_in_mm(source=None, plane=0):
    """Positions of a slice's pixels, and the brain's outline."""
    source = source or small_scan()
    points = slice_of(source, plane)[0] * source.spacing_mm.reshape(3, 1, 1)
    return points, source.brain_outline_mm


@pytest.mark.parametrize("name", SPOIL)
def test_an_image_stays_an_image_that_the_generator_alone_decides(name):
    _, image, mask = slice_of(small_scan())
    before, mask_before, changed = image.copy(), mask.copy(), False
    for seed in SEEDS:
        result, again = (SPOIL[name](image, mask, np.random.default_rng(seed)) for _ in range(2))
        assert (result.shape, result.dtype) == (image.shape, np.float32)
        assert np.isfinite(result).all()
        assert result.min() >= 0
        assert np.array_equal(result, again)
        changed |= not np.array_equal(result, image)
    assert changed, "something is done to the image"
    assert np.array_equal(image, before)  # the caller's arrays are left as they are
    assert np.array_equal(mask, mask_before)
    empty = np.zeros_like(image)
    nothing = SPOIL[name](empty, np.zeros_like(mask), np.random.default_rng(1))
    assert np.isfinite(nothing).all()


def test_where_cropping_takes_the_image_it_takes_the_mask():
    image, mask = np.ones((64, 64, 3), np.float32), np.ones((64, 64), bool)
    for seed in range(20):
        cut, cut_mask = artefacts.cropped(image, mask, np.random.default_rng(seed))
        assert np.array_equal(cut_mask, cut[..., 1] == 1)
        assert 0 < cut_mask.mean() < 1


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("plane", [0, 1, 2])
def test_defacing_removes_front_and_below_and_never_brain(plane, spacing_mm):
    source, ones = small_scan(spacing_mm=spacing_mm), np.ones((64, 64, 3), np.float32)
    mask, removed = slice_of(source, plane)[2], np.zeros((64, 64), bool)
    for seed in range(30):
        left = artefacts.defaced(ones, *brain_in_mm(source, plane), np.random.default_rng(seed))
        assert left[mask][:, 1].min() == 1
        removed |= left[..., 1] == 0
    if plane == 0 and spacing_mm == 2.0:  # rows run to anterior, columns to superior
        assert removed[-1, 0]
        assert not removed[0, -1]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lesion_stays_in_the_brain_and_a_rough_strip_takes_what_is_far_from_it(seed):
    _, image, mask = slice_of(small_scan())
    left = artefacts.outside_removed(image, mask, np.random.default_rng(seed))
    assert np.array_equal(left[mask], image[mask])
    assert not left[0].any()
    result = artefacts.lesion(image, mask, np.random.default_rng(seed))
    assert np.array_equal(result[~mask], image[~mask])
    hardly_any = mask & (np.cumsum(mask).reshape(mask.shape) < 10)
    assert artefacts.lesion(image, hardly_any, np.random.default_rng(seed)) is image


def test_thick_planes_keep_the_mean_over_the_planes():
    image = slice_of(small_scan())[1] * np.array([0.5, 1.0, 0.8], np.float32)
    for seed in SEEDS:
        thick = artefacts.thick_planes(image, np.random.default_rng(seed))
        assert thick.mean(axis=-1) == pytest.approx(image.mean(axis=-1), abs=1e-5)
        assert np.ptp(thick, axis=-1).mean() < np.ptp(image, axis=-1).mean()
