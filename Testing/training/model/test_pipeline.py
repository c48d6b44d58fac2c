"""Batches by worker processes, and where they come from."""

import time
from pathlib import Path

import numpy as np
import pytest

from skullstrip.errors import InputError
from skullstrip.prepare.preprocess import normalise
from Testing.programs import ROOT, run_python
from Testing.small_sources import small_label_map, small_scan, write_cache
from training.__main__ import run
from training.data.pair import Pair, read_pair
from training.data.sources import load_source, load_sources, save_source, source_from_pair
from training.model.config import Config, Stage
from training.model.pipeline import TRAINING_SPLITS, batches, make_batch, validation_slices

STAGE = Stage(steps=6, batch_size=2, patch=32, spacing_mm=4.0)
CONFIG = Config(name="made", stages=(STAGE,), seed=7, validation_slices=6)
SECONDS_TO_END = 30.0


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


def assert_same(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_batch_is_a_function_of_seed_and_step(cache):
    first, again, later = (make_batch(CONFIG, STAGE, step, cache) for step in (3, 3, 4))
    assert_same([first], [again])
    assert not np.array_equal(first[0], later[0])
    assert (first[0].shape, first[0].dtype) == ((2, 32, 32, 3), np.uint8)
    assert (first[1].shape, first[1].dtype) == ((2, 32, 32, 1), np.uint8)
    assert set(np.unique(first[1]).tolist()) <= {0, 1}


@pytest.mark.parametrize(("first", "workers"), [(0, 1), (0, 2), (4, 2)])
def test_batches_come_in_order_from_wherever_with_any_number_of_workers(cache, first, workers):
    by_hand = [make_batch(CONFIG, STAGE, step, cache) for step in range(first, 6)]
    assert_same(list(batches(CONFIG, STAGE, first, 6, cache, workers)), by_hand)


def test_an_error_in_a_worker_reaches_training(tmp_path):
    with pytest.raises(InputError, match="No source to draw from"):
        list(batches(CONFIG, STAGE, 0, 2, tmp_path, 1))


def running(process):
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
def test_workers_end_when_training_is_killed(cache):
    program = (
        "import multiprocessing, os, sys\n"
        "from pathlib import Path\n"
        "from Testing.training.model.test_pipeline import CONFIG, STAGE, batches\n"
        "if __name__ == '__main__':\n"
        "    stream = batches(CONFIG, STAGE, 0, 6, Path(sys.argv[1]), 2)\n"
        "    next(stream)\n"
        "    print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    (cache / "killed.py").write_text(program, encoding="utf-8")
    done = run_python(cache / "killed.py", cache, cwd=ROOT, timeout=120)
    assert done.returncode == -9
    workers = [int(word) for word in done.stdout.split()]
    assert workers
    deadline = time.monotonic() + SECONDS_TO_END
    while any(map(running, workers)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(map(running, workers))


def test_validation_slices_are_always_the_same_and_show_brain():
    sources = [small_scan("a"), small_label_map(), small_scan("b", spacing_mm=1.4)]
    images, masks = validation_slices(sources, CONFIG, STAGE)
    assert images.shape == (6, 32, 32, 3)
    assert all(mask.any() for mask in masks)
    again = validation_slices(sources, CONFIG, STAGE)
    assert_same([(images, masks)], [again])
    assert len({image.tobytes() for image in images[::2]}) == 3  # levels differ
    many = [small_scan(str(index)) for index in range(9)]  # more than slices
    assert len(validation_slices(many, CONFIG, STAGE)[0]) == CONFIG.validation_slices


@pytest.mark.parametrize("source", [small_scan(), small_label_map()], ids=["scan", "label map"])
def test_a_source_survives_its_archive(tmp_path, source):
    loaded = load_source(save_source(source, tmp_path))
    for name in ("subject", "split", "names", "voxels", "mask", "spacing_mm", "counts"):
        assert np.array_equal(getattr(loaded, name), getattr(source, name)), name


def test_only_the_splits_asked_for_are_loaded(cache):
    found = [[each.subject for each in load_sources(cache, s)] for s in (TRAINING_SPLITS, ("val",))]
    assert found == [["labels", "scan1", "scan2"], ["scan3"]]


def test_the_brain_box_is_the_masks_extent_in_mm():
    source = small_scan(spacing_mm=1.4)
    index = np.argwhere(source.mask)
    assert source.brain_box_mm == pytest.approx(np.array([index.min(0), index.max(0)]) * 1.4)


def test_a_scan_is_prepared_as_the_library_prepares_it(phantom_pair):
    source = source_from_pair(phantom_pair)
    image, mask = read_pair(phantom_pair)
    expected, orientation = normalise(image)
    assert np.array_equal(source.voxels, np.rint(expected.array * 255).astype(np.uint8))
    assert np.array_equal(source.mask > 0, orientation.apply(mask))
    assert (source.split, source.names) == ("val", ())


def test_a_scan_with_an_empty_mask_is_refused(tmp_path, nifti):
    image = nifti(tmp_path / "a.nii.gz", np.ones((8, 8, 8)), np.eye(4))
    mask = nifti(tmp_path / "a_mask.nii.gz", np.zeros((8, 8, 8)), np.eye(4))
    with pytest.raises(InputError, match="mask of a is empty"):
        source_from_pair(Pair("a", image, mask))


def test_the_command_writes_an_archive_for_each_scan_and_what_they_are(phantom_data, tmp_path):
    assert run("prepare", str(phantom_data), str(tmp_path / "cache")) == 0
    names = sorted(path.name for path in (tmp_path / "cache").iterdir())
    assert names == ["data.json", "one.npz", "two.npz"]
