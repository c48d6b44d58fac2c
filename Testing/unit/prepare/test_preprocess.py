"""Preparing a scan and returning to its grid: nothing moves, nothing is lost."""

import numpy as np
import pytest

from skullstrip.grid.regions import dice
from skullstrip.grid.resample import resample
from skullstrip.grid.volume import Volume
from skullstrip.prepare.intensity import scale_intensities
from skullstrip.prepare.preprocess import head_bounding_box, prepare, restore, source_index_matrix
from Testing.phantoms import make_head

GRIDS = [
    pytest.param({"orientation": "RAS", "spacing_mm": (1.0, 1.0, 1.0)}, id="RAS 1 mm"),
    pytest.param({"orientation": "LAS", "spacing_mm": (2.0, 2.0, 2.0)}, id="LAS 2 mm"),
    pytest.param({"orientation": "LPS", "spacing_mm": (1.0, 1.0, 3.0)}, id="LPS 3 mm slices"),
    pytest.param({"orientation": "PIR", "spacing_mm": (0.7, 1.4, 2.8)}, id="PIR 0.7 mm"),
    pytest.param({"oblique_degrees": 20.0, "spacing_mm": (2.0, 1.5, 2.0)}, id="oblique"),
    pytest.param({"field_of_view_mm": (300.0, 300.0, 300.0)}, id="300 mm field of view"),
    pytest.param({"shift_mm": (0.0, 0.0, -40.0)}, id="cropped at the vertex"),
]
# A mask through both interpolations and back; 3 mm slices lose most.
ROUND_TRIP_DICE = 0.995


@pytest.mark.parametrize("grid", GRIDS)
def test_a_mask_and_a_place_come_back_onto_the_scans_own_grid(grid):
    head = make_head(**grid)
    volume = Volume(head.array, head.affine)
    prepared = prepare(volume, 1.0)
    in_ras = prepared.orientation.apply(head.brain_mask).astype(np.float32)
    at_1_mm = resample(in_ras, prepared.source_spacing_mm, prepared.spacing_mm)
    back = restore(at_1_mm[prepared.box], prepared)
    assert back.shape == head.array.shape
    assert back.dtype == np.float32
    assert dice(back > 0.5, head.brain_mask) > ROUND_TRIP_DICE
    spot = np.zeros_like(prepared.head)
    place = tuple(size // 3 for size in spot.shape)
    spot[tuple(slice(at - 4, at + 5) for at in place)] = 1
    middle = np.argwhere(restore(spot, prepared) > 0.5).mean(axis=0)
    found = (source_index_matrix(prepared) @ [*place, 1])[:3]
    assert np.abs(found - middle).max() < 0.6


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "SLA"])
def test_the_network_sees_the_same_head_whatever_the_orientation(orientation):
    expected = make_head("RAS", noise=0.0)
    turned = make_head(orientation, noise=0.0)
    seen = prepare(Volume(turned.array, turned.affine), 2.0).head
    reference = prepare(Volume(expected.array, expected.affine), 2.0).head
    assert seen.shape == reference.shape
    assert np.abs(seen - reference).mean() < 0.01


def test_what_has_one_value_a_block_comes_back_as_its_voxels_would():
    head = make_head("PIR", (1.0, 1.7, 2.0))  # one axis is left as it is
    prepared = prepare(Volume(head.array, head.affine), 1.0)
    blocks = np.random.default_rng(1).random([-(-size // 4) for size in prepared.head.shape])
    blocks = np.maximum(blocks - 0.5, 0).astype(np.float32)
    blocks[:2], blocks[:, -3:] = 0, 0
    voxels = blocks
    for axis, size in enumerate(prepared.head.shape):
        voxels = voxels.repeat(4, axis).take(np.arange(size), axis)
    np.testing.assert_allclose(restore(blocks, prepared, 4), restore(voxels, prepared), atol=1e-6)


@pytest.mark.parametrize("noise", [1.0, 8.0])
@pytest.mark.parametrize("shift_mm", [(0.0, 0.0, 0.0), (0.0, 0.0, -60.0), (70.0, 30.0, 0.0)])
def test_the_brain_is_inside_the_box_wherever_it_lies(shift_mm, noise):
    head = make_head(shift_mm=shift_mm, noise=noise, field_of_view_mm=(300.0, 300.0, 300.0))
    box = head_bounding_box(scale_intensities(head.array), 2.0)
    assert head.brain_mask[box].sum() == head.brain_mask.sum()


def test_air_is_cut_away_to_the_margin():
    head = make_head(field_of_view_mm=(400.0, 400.0, 400.0))
    scaled = scale_intensities(head.array)
    box = head_bounding_box(scaled, 2.0)
    assert scaled[box].size < 0.35 * scaled.size


def test_a_volume_without_a_head_is_kept_whole():
    empty = np.zeros((20, 30, 40), dtype=np.float32)
    assert head_bounding_box(empty, 1.0) == (slice(0, 20), slice(0, 30), slice(0, 40))
