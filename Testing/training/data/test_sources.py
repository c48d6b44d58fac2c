"""Scans and label maps as they are prepared for training."""

import numpy as np
import pytest

from skullstrip.errors import InputError
from skullstrip.prepare.preprocess import normalise
from Testing.small_sources import small_label_map, small_scan, write_cache
from training.__main__ import run
from training.data.pair import Pair, read_pair
from training.data.sources import load_source, load_sources, save_source, source_from_pair


@pytest.mark.parametrize("source", [small_scan(), small_label_map()], ids=["scan", "label map"])
def test_a_source_survives_its_archive(tmp_path, source):
    loaded = load_source(save_source(source, tmp_path))
    for name in ("subject", "split", "names", "voxels", "mask", "spacing_mm", "counts"):
        assert np.array_equal(getattr(loaded, name), getattr(source, name)), name


def test_only_the_splits_asked_for_are_loaded(tmp_path):
    cache = write_cache(tmp_path)
    splits = ("train", "labelmap"), ("val",)
    found = [[each.subject for each in load_sources(cache, names)] for names in splits]
    assert found == [["labels", "scan1", "scan2"], ["scan3"]]


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
