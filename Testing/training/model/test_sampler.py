"""One training example."""

import dataclasses

import numpy as np
import pytest

from skullstrip.errors import InputError
from Testing.small_sources import small_label_map, small_scan
from training.model.config import Sampling, Stage
from training.model.sampler import REDRAW_SHARE, draw, finish, pools_of, random_example

STAGE = Stage(steps=1, batch_size=1, patch=64, spacing_mm=2.0)
DRAWS = 400
SHARE_TOLERANCE = 0.08  # three standard deviations of a share of 400 draws
SCANS = small_scan("fine", spacing_mm=1.0), small_scan("coarse")
POOLS = pools_of([small_label_map(), *SCANS])


def drawn(pools, sampling):
    """Share of each subject among many draws."""
    rng = np.random.default_rng(0)
    subjects = [draw(pools, sampling, rng).subject for _ in range(DRAWS)]
    return {subject: subjects.count(subject) / DRAWS for subject in set(subjects)}


@pytest.mark.parametrize(("synthetic", "fine"), [(0.5, 0.45), (0.2, 0.9), (0.0, 0.5)])
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
