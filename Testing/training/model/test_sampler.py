"""Training examples, and batches of them by worker processes."""

import dataclasses
import time

import numpy as np
import psutil
import pytest

from skullstrip.errors import InputError
from Testing.programs import ROOT, run_python
from Testing.small_sources import small_label_map, small_scan, write_cache
from training.model.config import Config, Sampling, Stage
from training.model.sampler import (
    REDRAW_SHARE,
    batches,
    draw,
    finish,
    make_batch,
    pools_of,
    random_example,
    validation_slices,
)

STAGE = Stage(steps=6, batch_size=2, patch=32, spacing_mm=4.0)
CONFIG = Config(name="made", stages=(STAGE,), seed=7, validation_slices=6)
SECONDS_TO_END = 30.0
DRAWS = 400
SHARE_TOLERANCE = 0.08  # three standard deviations of a share of 400 draws
SCANS = small_scan("fine", spacing_mm=1.0), small_scan("coarse")
POOLS = pools_of([small_label_map(), *SCANS])


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


def assert_same(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_batch_is_a_function_of_seed_and_step(cache):
    first, again, later = (make_batch(CONFIG, STAGE, cache, step) for step in (3, 3, 4))
    assert_same([first], [again])
    assert not np.array_equal(first[0], later[0])
    assert (first[0].shape, first[0].dtype) == ((2, 32, 32, 3), np.uint8)
    assert (first[1].shape, first[1].dtype) == ((2, 32, 32, 1), np.uint8)
    assert set(np.unique(first[1]).tolist()) <= {0, 1}


@pytest.mark.parametrize(("first", "workers"), [(0, 1), (0, 2), (4, 2)])
def test_batches_come_in_order_from_wherever_with_any_number_of_workers(cache, first, workers):
    by_hand = [make_batch(CONFIG, STAGE, cache, step) for step in range(first, 6)]
    assert_same(list(batches(CONFIG, STAGE, first, 6, cache, workers)), by_hand)


def test_an_error_in_a_worker_reaches_training(tmp_path):
    with pytest.raises(InputError, match="No source to draw from"):
        list(batches(CONFIG, STAGE, 0, 2, tmp_path, 1))


def test_workers_end_when_training_is_killed(cache):
    program = (
        "import os, sys, psutil\n"
        "from pathlib import Path\n"
        "from Testing.training.model.test_sampler import CONFIG, STAGE, batches\n"
        "stream = batches(CONFIG, STAGE, 0, 6, Path(sys.argv[1]), 2)\n"
        "next(stream)\n"
        "print(*(child.pid for child in psutil.Process().children()), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = run_python("-c", program, cache, cwd=ROOT, timeout=120)
    assert done.returncode == -9
    workers = [int(word) for word in done.stdout.split()]
    assert workers
    deadline = time.monotonic() + SECONDS_TO_END
    while any(map(psutil.pid_exists, workers)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(map(psutil.pid_exists, workers))


def test_validation_slices_are_always_the_same_and_show_brain():
    sources = [small_scan("a"), small_label_map(), small_scan("b", spacing_mm=1.4)]
    images, masks = validation_slices(sources, CONFIG, STAGE)
    assert images.shape == (6, 32, 32, 3)
    assert all(mask.any() for mask in masks)
    assert_same([(images, masks)], [validation_slices(sources, CONFIG, STAGE)])
    assert len({image.tobytes() for image in images[::2]}) == 3  # levels differ
    many = [small_scan(str(index)) for index in range(9)]  # more than slices
    assert len(validation_slices(many, CONFIG, STAGE)[0]) == CONFIG.validation_slices


def drawn(pools, sampling):
    """Share of each subject among many draws."""
    rng = np.random.default_rng(0)
    subjects = [draw(pools, sampling, rng).subject for _ in range(DRAWS)]
    return {subject: subjects.count(subject) / DRAWS for subject in set(subjects)}


@pytest.mark.parametrize(("synthetic", "fine"), [(0.2, 0.9), (0.0, 0.5)])
def test_label_maps_and_fine_and_coarse_scans_have_their_shares(synthetic, fine):
    shares = drawn(POOLS, Sampling(synthetic_share=synthetic, fine_share=fine))
    expected = {
        "labels": synthetic,
        "fine": (1 - synthetic) * fine,
        "coarse": (1 - synthetic) * (1 - fine),
    }
    for subject, share in expected.items():
        assert shares.get(subject, 0.0) == pytest.approx(share, abs=SHARE_TOLERANCE)


def test_an_empty_pools_share_goes_to_the_others():
    sampling = Sampling(synthetic_share=0.5, fine_share=0.5)
    without_labels = drawn(pools_of(SCANS), sampling)
    assert without_labels["fine"] == pytest.approx(0.5, abs=SHARE_TOLERANCE)
    assert drawn(pools_of([small_label_map()]), sampling) == {"labels": 1.0}


@pytest.mark.parametrize(
    ("sources", "synthetic"), [([], 0.5), ([small_label_map()], 0.0), ([small_scan()], 1.0)]
)
def test_nothing_to_draw_from_is_refused(sources, synthetic):
    with pytest.raises(InputError, match="No source to draw from"):
        drawn(pools_of(sources), Sampling(synthetic_share=synthetic))


def test_sources_to_use_sparingly_come_less_often():
    pools = pools_of([small_scan(name) for name in ("one", "two", "average")])
    often, seldom = (drawn(pools, Sampling(sparingly=names)) for names in ((), ("average",)))
    assert often["average"] > 0.25
    expected = (1 - REDRAW_SHARE) / 3 + REDRAW_SHARE / 9
    assert seldom["average"] == pytest.approx(expected, abs=SHARE_TOLERANCE)


def test_examples_differ_and_many_show_brain():
    rng = np.random.default_rng(0)
    examples = [random_example(POOLS, Sampling(), STAGE, rng) for _ in range(60)]
    assert len({image.tobytes() for image, _ in examples}) == 60
    assert 0.5 < np.mean([mask.any() for _, mask in examples]) < 1.0


def test_without_augmentation_a_slice_holds_the_scans_own_values():
    sampling = Sampling(synthetic_share=0.0, augment=False, planes=(1.0, 0.0, 0.0))
    rng = np.random.default_rng(0)
    stage, plain = dataclasses.replace(STAGE, spacing_mm=1.0), pools_of([small_scan()])
    images = [random_example(plain, sampling, stage, rng)[0] for _ in range(10)]
    assert max(image.max() for image in images) <= small_scan().voxels.max()


def test_intensities_are_clipped_not_wrapped():
    image = np.array([-0.3, 0.0, 0.5, 1.0, 1.7], np.float32).reshape(1, 5, 1)
    packed, mask = finish(image, np.ones((1, 5), bool))
    assert packed.ravel().tolist() == [0, 0, 128, 255, 255]
    assert mask.shape == (1, 5, 1)
