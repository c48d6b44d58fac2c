"""Each check on a made case; an ordinary head passes without a word.

More that is refused, `Testing/hostile.py` has.
"""

import numpy as np
import pytest

from skullstrip.checks.input_checks import (
    MAX_SPACING_MM,
    check_input,
    contrast_checks,
    fluid_and_bone,
)
from skullstrip.errors import InputError
from skullstrip.network.brain_region import BrainRegion

THREE_MM = np.diag([3.0, 3.0, 3.0, 1.0])
BLOCK = (6, 2, 2)


def noise(shape=(40, 40, 40), dtype=np.float32):
    """A block of noise with air around it."""
    array = 100 * np.random.default_rng(0).random(shape)
    if min(shape) > 8:
        array = np.pad(array[tuple(slice(3, -3) for _ in shape)], 3)
    return array.astype(dtype)


def found(array, affine):
    """Checks by their code."""
    return {check.code: check for check in check_input(array, affine)}


def test_an_ordinary_head_passes_clean(phantom):
    head = phantom()
    assert check_input(head.array, head.affine) == ()


def test_a_bool_image_is_not_refused():
    assert all(check.severity == "warn" for check in check_input(noise() > 20, THREE_MM))


def test_fill_values_are_noted_and_mistaken_for_nothing_else(phantom):
    head = phantom()
    array = head.array.astype(np.int32)
    array[:, :4, :4] = -10000
    checks = found(array, head.affine)
    assert [check.severity for check in checks.values()] == ["note"]
    count = np.count_nonzero(array == -10000)
    assert f"{count} voxels are far from all others (-10000" in checks["fill_values"].message


@pytest.mark.parametrize(
    ("array", "affine", "message"),
    [
        (noise((40, 40, 5)), np.eye(4), "field of view is 40 x 40 x 5 mm"),
        (np.full((40, 40, 40), 7.5), THREE_MM, r"same value everywhere \(7\.5\)"),
        (np.where(np.indices((40, 40, 40))[0] < 20, 3, np.nan), THREE_MM, "same value"),
        (noise(), np.diag([1000.0, 1000.0, 1000.0, 1.0]), "spacing"),
    ],
)
def test_what_is_no_volume_of_a_head_is_refused(array, affine, message):
    with pytest.raises(InputError, match=message):
        check_input(array, affine)


def test_nan_and_infinity_are_counted_in_a_note():
    array = noise()
    array[0, 0, :3] = np.nan, np.inf, -np.inf
    (check,) = check_input(array, THREE_MM)
    assert (check.code, check.severity) == ("non_finite", "note")
    assert check.message.startswith("3 voxels")


@pytest.mark.parametrize(("spacing", "slices"), [(0.15, 160), (MAX_SPACING_MM + 1, 20)])
def test_unusual_voxels_are_a_warning_with_their_size(spacing, slices):
    check = found(noise((40, 40, slices)), np.diag([4.0, 4.0, spacing, 1.0]))["spacing_unusual"]
    assert check.severity == "warn"
    assert f"{spacing:g} mm" in check.message


def test_a_shear_is_a_warning_with_its_angle():
    sheared = THREE_MM.copy()
    sheared[0, 1] = 3 * np.tan(np.radians(15))
    check = found(noise(), sheared)["affine_sheared"]
    assert check.severity == "warn"
    assert "15 degrees" in check.message


def test_an_oblique_scan_is_not_sheared(phantom):
    head = phantom("PIR", (2.0, 3.0, 4.0), oblique_degrees=35)
    assert check_input(head.array, head.affine) == ()


# ---- contrast, on a ball of tissue with a layer of fluid -----------------------------------------


def region_of(brain):
    """What the coarse pass would find of a brain in 1 mm voxels."""
    blocks = brain[tuple(slice(block // 2, None, block) for block in BLOCK)]
    return BrainRegion(blocks, BLOCK, 9, brain.shape)


def brain_in_fluid(fluid, tissue=0.4, bone=0.05):
    radius = np.sqrt(np.square(np.indices((120, 120, 120)) - 59.5).sum(axis=0))
    head = np.select([radius < 46, radius < 50], [tissue, fluid], bone).astype(np.float32)
    return head, region_of(radius < 50)


@pytest.mark.parametrize(
    ("fluid", "bone", "expected"),
    [
        (0.13, 0.05, []),
        (0.9, 0.05, [("contrast_inverted", "note")]),
        (0.41, 0.05, [("contrast_inverted", "note")]),
        (0.38, 0.9, [("ct_like", "warn")]),
    ],
)
def test_fluid_and_bone_tell_the_contrast(fluid, bone, expected):
    checks = contrast_checks(*brain_in_fluid(fluid, bone=bone))
    assert [(check.code, check.severity) for check in checks] == expected


def test_a_brain_without_a_core_is_no_reason_to_fail():
    head, region = brain_in_fluid(0.9)
    thin = BrainRegion(region.blocks & (np.arange(60)[:, None] == 30), BLOCK, 9, region.shape)
    assert fluid_and_bone(head, thin) == (0.0, 0.0)
