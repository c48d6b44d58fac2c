"""Images from label maps."""

import numpy as np
import pytest

from Testing.small_sources import small_label_map
from training.augment.synthesis import (
    ANYTHING,
    LOOKS,
    SHARES,
    draw_look,
    label_window,
    paint,
    random_means,
)

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
