"""Damaged masks are wrong in the way that they are named after, and always in the same way."""

import numpy as np
import pytest

from skullstrip.grid.regions import dice
from Testing.phantoms import make_head
from training.calibration.wrong_masks import DAMAGES, damaged_probability

BLOCK_MM = 2.0
GROWS = {"grow", "eye", "dura", "neck"}
SHRINKS = {"erode", "cerebellum", "half", "lobe", "slab", "holes"}


@pytest.fixture(scope="module")
def brain():
    return make_head("RAS", (2.0, 2.0, 2.0), field_of_view_mm=(220, 260, 260)).brain_mask


def damaged(brain, name, seed=0):
    return DAMAGES[name](brain, BLOCK_MM, np.random.default_rng(seed))


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_repeatable_and_leaks_only_add_and_losses_only_remove(brain, name):
    before = brain.copy()
    wrong = damaged(brain, name)
    assert (brain == before).all()
    assert (wrong == damaged(brain, name)).all()
    assert 0.4 < dice(wrong, brain) < 0.999
    assert not (name in GROWS and (brain & ~wrong).any())
    assert not (name in SHRINKS and (wrong & ~brain).any())


def test_an_eye_is_in_front_and_to_one_side(brain):
    added = np.argwhere(damaged(brain, "eye") & ~brain)
    middle = np.argwhere(brain).mean(axis=0)
    assert added[:, 1].mean() > middle[1] + 20
    assert abs(added[:, 0].mean() - middle[0]) > 8


def test_the_probability_follows_the_damage_and_stays_elsewhere(brain):
    probability = np.where(brain, 0.97, 0.02).astype(np.float32)
    wrong = damaged(brain, "cerebellum")
    followed = damaged_probability(probability, brain, wrong)
    assert dice(followed >= 0.5, wrong) > 0.99
    upper = np.s_[:, :, brain.shape[2] // 2 + 10 :]
    assert (followed[upper] == probability[upper]).all()
    assert damaged_probability(probability, brain, brain) is probability
