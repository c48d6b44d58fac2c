"""Heads that do not fit into their image, and those that do."""

import numpy as np
import pytest

from skullstrip.checks.field_of_view import MOST_CM2, field_of_view_findings, tissue_at_sides
from Testing.phantoms import make_head


def findings(head):
    return [code for code, _ in field_of_view_findings(head.array, head.affine)]


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "SPR"])
@pytest.mark.parametrize(
    ("side", "shift_mm"),
    [("top", (0, 0, -45)), ("front", (0, -50, 0)), ("back", (0, 50, 0)), ("left", (50, 0, 0)),
     ("right", (-50, 0, 0))],
)  # fmt: skip
def test_a_cut_is_named_by_its_side(orientation, side, shift_mm):
    head = make_head(orientation, (3.0, 3.0, 3.0), shift_mm=shift_mm)
    ((code, message),) = field_of_view_findings(head.array, head.affine)
    assert code == "head_cut"
    assert f"({side})" in message


def test_a_neck_that_leaves_below_is_no_cut():
    head = make_head(shift_mm=(0, 0, 30), field_of_view_mm=(200.0, 240.0, 190.0))
    assert findings(head) == []


def test_a_slab_is_too_narrow_for_a_brain():
    head = make_head(field_of_view_mm=(200.0, 240.0, 60.0))
    ((code, message),) = field_of_view_findings(head.array, head.affine)
    assert code == "narrow"
    assert "60 mm" in message


@pytest.mark.parametrize("noise", [0.05, 0.15])
def test_noise_in_the_air_is_no_tissue(noise):
    head = make_head(noise=0.0)
    real, imaginary = np.random.default_rng(0).normal(
        0, noise * head.array.max(), (2, *head.array.shape)
    )
    noisy = np.hypot(head.array + real, imaginary)  # as in magnitude images, never around zero
    assert max(tissue_at_sides(noisy, head.affine).values()) < min(MOST_CM2.values())


@pytest.mark.parametrize("orientation", ["RAS", "PIL"])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (4095.0, 2047.5)])
def test_the_salt_and_pepper_air_of_mp2rage_is_no_tissue(orientation, scale, offset):
    head = make_head(orientation, noise=0.0)
    signal = np.minimum(head.array / 30, 1)
    first = signal * (head.array / 50 - 1)
    first, second = (
        inversion + np.random.default_rng(seed).normal(0, 0.05, head.array.shape)
        for seed, inversion in enumerate((first, signal))
    )
    uniform = scale * first * second / (first**2 + second**2) + offset
    assert max(tissue_at_sides(uniform, head.affine).values()) < min(MOST_CM2.values())


def test_values_near_the_largest_float_raise_no_warning():
    head = make_head()
    with np.errstate(over="raise", invalid="raise"):
        tissue_at_sides(head.array * np.float32(1e36), head.affine)
