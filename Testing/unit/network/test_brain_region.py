"""The coarse pass, with a stand-in network that calls bright voxels brain."""

import numpy as np
import pytest

from skullstrip.network.brain_region import BrainRegion, find_brain_region, slice_batch, to_multiple


def bright_is_brain(batch):
    """Stand-in network."""
    return (batch[..., 1:2] > 0.6).astype(np.float32)


def head_with_brain(shape, brain):
    head = np.full(shape, 0.3, np.float32)
    head[brain] = 0.9
    return head


BRAIN = (slice(41, 150), slice(60, 201), slice(50, 170))


@pytest.mark.parametrize("spacing_mm", [0.7, 1.0, 1.3])
def test_the_region_holds_the_brain_with_a_margin_and_not_much_more(spacing_mm):
    head = head_with_brain((190, 250, 230), BRAIN)
    region = find_brain_region(head, spacing_mm, bright_is_brain)
    assert region is not None
    least, most = 2 / spacing_mm, 16 / spacing_mm
    for found, brain in zip(region.box(), BRAIN, strict=True):
        assert least <= brain.start - found.start <= most
        assert least <= found.stop - brain.stop <= most


@pytest.mark.parametrize("side", [0, 30])
def test_too_little_brain_means_no_region_and_a_coarse_grid_no_coarse_pass(side):
    head = head_with_brain((190, 250, 230), (slice(60, 60 + side),) * 3)
    assert find_brain_region(head, 1.0, bright_is_brain) is None
    assert find_brain_region(head, 2.0, lambda _: pytest.fail("the network ran")) is None


def test_a_second_brain_is_left_out_and_its_volume_told():
    head = head_with_brain((420, 200, 180), (slice(20, 160), slice(20, 180), slice(20, 160)))
    head[240:340, 40:140, 40:140] = 0.9
    region = find_brain_region(head, 1.0, bright_is_brain)
    assert region is not None
    assert region.box()[0].stop < 240
    assert region.other_ml == pytest.approx(1000, rel=0.1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_window_holds_the_brain_of_its_slices(axis):
    rng = np.random.default_rng(3)
    blocks = rng.random((20, 40, 36)) > 0.999
    blocks[9:12, 18:22, 16:20] = True
    blocks[9, 18] = blocks[9, :, 16] = blocks[:, 18, 16] = True  # in every layer, as one piece is
    region = BrainRegion(blocks, (6, 2, 2), 12, (118, 200, 180))
    fine = blocks.repeat(6, 0).repeat(2, 1).repeat(2, 2)[:118]
    fine = np.pad(fine, [(0, size - n) for size, n in zip(region.shape, fine.shape, strict=True)])
    along = np.moveaxis(fine, axis, 0)
    for start in range(region.box()[axis].start, region.box()[axis].stop, 8):
        window = region.window(axis, start, start + 8)
        inside = along[(slice(start, start + 8), *window)]
        assert inside.sum() == along[start : start + 8].sum()
        for part, size in zip(window, along.shape[1:], strict=True):
            assert (part.stop - part.start) % 8 == 0 or part == slice(0, size)


@pytest.mark.parametrize(
    ("extent", "size", "expected"),
    [
        ((100, 222), 256, (97, 225)),
        ((0, 130), 256, (0, 136)),
        ((200, 256), 256, (128, 256)),
        ((10, 170), 175, (10, 170)),
        ((3, 174), 175, (0, 175)),
        ((50, 60), 300, (0, 128)),
    ],
)
def test_a_window_is_lengthened_within_the_slice(extent, size, expected):
    assert to_multiple(slice(*extent), size) == slice(*expected)


def test_the_neighbours_of_a_slice_are_its_channels_and_the_ends_repeat():
    volume = np.arange(6.0)[:, None, None] * np.ones((1, 2, 4))
    batch = slice_batch(volume, np.array([0, 3, 5]))
    np.testing.assert_array_equal(batch[:, 1, 1], [[0, 0, 1], [2, 3, 4], [4, 5, 5]])
