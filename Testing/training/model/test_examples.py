"""Training examples: where their slices lie, and batches of them by worker processes."""

import dataclasses
import time

import numpy as np
import psutil
import pytest

from skullstrip.errors import InputError
from skullstrip.network.brain_region import slice_batch
from Testing.programs import ROOT, run_python
from Testing.small_sources import bytes_of, scan_of, small_label_map, small_scan, write_cache
from training.model.config import Config, Sampling, Stage
from training.model.random_slices import (
    IN_PLANE,
    centred_slab,
    identity_directions,
    random_centre,
    random_directions,
    random_slab,
    swollen,
)
from training.model.sampler import (
    REDRAW_SHARE,
    batches,
    draw,
    finish,
    make_batch,
    pools_of,
    random_example,
    read_image,
    read_mask,
    validation_slices,
)

PATCH = 32
SHAPE = (40, 42, 44)
ROUNDING = 1e-3  # grey levels
UPRIGHT = Sampling(rotation_degrees=0.0, wrong_orientation_share=0.0)


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_an_undeformed_slab_holds_the_voxels_that_inference_slices_and_their_mask(plane):
    level, mask = 17, np.random.default_rng(1).random(SHAPE) < 0.5
    centred = np.zeros(SHAPE, dtype=bool)
    centred[4:36, 5:37, 6:38] = True  # 32 voxels each way, as the patch
    source = scan_of(np.random.default_rng(0).random(SHAPE), centred)
    slab = centred_slab(source, plane, float(level), PATCH, 1.0)
    stack = slice_batch(np.moveaxis(source.voxels, plane, 0), np.array([level]))[0]
    first = np.delete([4, 5, 6], plane)
    cut = slice(first[0], first[0] + PATCH), slice(first[1], first[1] + PATCH)
    assert np.array_equal(np.rint(read_image(source, slab) * 255), stack[cut])
    masked = dataclasses.replace(source, mask=bytes_of(mask))
    assert np.array_equal(read_mask(masked, slab), np.moveaxis(mask, plane, 0)[level][cut])


@pytest.mark.parametrize("seed", range(8))
def test_image_and_mask_stay_aligned_under_every_deformation(seed):
    source = small_scan()
    shown = dataclasses.replace(source, voxels=source.mask)
    slab, _ = random_slab(source, Sampling(), 64, 2.0, np.random.default_rng(seed))
    level, mask = read_image(shown, slab)[..., 1] * 255, read_mask(source, slab)
    clear = np.abs(level - 127) > ROUNDING  # as the mask is cut
    assert clear.mean() > 0.99
    assert np.array_equal((level > 127)[clear], mask[clear])


@pytest.mark.parametrize("plane", [0, 1, 2])
@pytest.mark.parametrize("spacing_mm", [0.7, 2.0])
def test_pixels_are_as_far_apart_as_asked_whatever_the_voxels(plane, spacing_mm):
    voxel_mm = np.array([1.0, 2.0, 4.0], np.float32)
    source = dataclasses.replace(small_scan(), spacing_mm=voxel_mm)
    points = centred_slab(source, plane, 50.0, PATCH, spacing_mm) * voxel_mm[:, None, None]
    rows, columns = IN_PLANE[plane]
    for array_axis, coordinate in ((0, plane), (2, rows), (3, columns)):
        steps = np.diff(points, axis=array_axis)
        expected = np.where(np.arange(3) == coordinate, spacing_mm, 0)[:, None, None]
        assert np.abs(steps - expected).max() < 1e-4


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_turns_keep_angles_and_without_rotation_slices_keep_their_plane(plane):
    kept = 0
    for seed in range(40):
        turn = random_directions(Sampling(), plane, np.random.default_rng(seed))
        assert turn.T @ turn == pytest.approx(np.eye(3), abs=1e-12)
        directions = random_directions(UPRIGHT, plane, np.random.default_rng(seed))
        kept += np.allclose(np.abs(directions), identity_directions(plane))
    assert kept >= 30  # the others are the few that turn far all the same


def test_heads_are_mirrored_left_to_right_half_of_the_time_but_not_otherwise():
    drawn = [random_directions(UPRIGHT, 1, np.random.default_rng(seed)) for seed in range(80)]
    right, _, superior = np.sign(np.array(drawn).sum(axis=2)).T
    assert 20 < np.count_nonzero(right < 0) < 60
    assert np.count_nonzero(superior > 0) >= 76  # the others are the few that turn far


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_levels_reach_the_brain_or_anywhere_as_asked(plane):
    source, rng = small_scan(), np.random.default_rng(0)
    lower, upper = source.brain_box_mm[:, plane]
    through, anywhere = (
        [
            random_centre(source, Sampling(through_brain_share=share), plane, 100.0, rng)[plane]
            for _ in range(300)
        ]
        for share in (1.0, 0.0)
    )
    assert lower - 4 <= min(through) < max(through) <= upper + 4
    assert min(anywhere) < lower < upper < max(anywhere)


def test_a_swollen_middle_is_enlarged_and_what_is_far_stays():
    centre = np.zeros(3, dtype=np.float32)
    points = np.zeros((1, 3, 1, 4), dtype=np.float32)
    points[0, 0, 0] = (-10, 10, 30, 300)
    for seed in range(10):
        moved = swollen(points, centre, np.random.default_rng(seed))[0, 0, 0]
        assert abs(moved[0]) < 0.85 * 10  # the same pixel shows what lies nearer to the middle
        assert moved[1] < moved[2] < moved[3]  # nothing is folded
        assert moved[3] == pytest.approx(300, abs=0.1)


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
        "from Testing.training.model.test_examples import CONFIG, STAGE, batches\n"
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
