"""Left is compared with right across the mask's own mid-plane; the shapes are made."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from skullstrip.quality.symmetry import asymmetry

SYMMETRIC = 0.03  # what blocks of 2 mm leave of nothing
DAMAGED = 0.05  # what the missing part is of the whole, about
TURNS = [(20, 15), (30, 0), (0, 30), (-30, 10), (25, -25)]  # degrees about Y and Z


def made_brain():
    """A hemisphere's egg on either side, wider behind than in front, and a cerebellum below."""
    x, y, z = (np.arange(size) - size / 2 + 0.5 for size in (90, 110, 90))
    x, y, z = np.meshgrid(x, y, z, indexing="ij")
    width = 31 - 0.16 * y
    cerebrum = (x / width) ** 2 + (y / 42) ** 2 + ((z - 4) / 32) ** 2 <= 1
    flat = z > -14 + 0.1 * y
    cerebellum = (x / 25) ** 2 + ((y + 22) / 16) ** 2 + ((z + 16) / 14) ** 2 <= 1
    return (cerebrum & flat) | cerebellum


def turned(mask, degrees):
    turn = Rotation.from_euler("yz", degrees, degrees=True).as_matrix()
    middle = (np.array(mask.shape) - 1) / 2
    shift = middle - turn @ middle
    return ndimage.affine_transform(mask.astype(np.float32), turn, shift, order=1) >= 0.5


@pytest.mark.parametrize("degrees", TURNS)
def test_a_turned_brain_is_as_symmetric_as_a_straight_one(degrees):
    brain = made_brain()
    assert asymmetry(brain) < SYMMETRIC
    assert asymmetry(turned(brain, degrees)) < SYMMETRIC


@pytest.mark.parametrize("degrees", [(0, 0), *TURNS])
def test_a_missing_temporal_lobe_shows_however_the_head_is_turned(degrees):
    brain = made_brain()
    brain[:32, 40:, :45] = False
    assert asymmetry(turned(brain, degrees)) > DAMAGED


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 5), (3, 1, 1), (2, 4, 1)])
def test_a_mask_of_a_few_blocks_in_a_row_is_symmetric(shape):
    mask = np.zeros((8, 8, 8), dtype=bool)
    mask[tuple(slice(2, 2 + size) for size in shape)] = True
    assert asymmetry(mask) == pytest.approx(0, abs=1e-9)
