"""What is noticed of made-up scans, and what is refused; an ordinary head passes without a word.

More that is refused, `Testing/integration/test_hostile.py` has.
"""

import numpy as np
import pytest

from skullstrip.checks.appearance import MOST_CM2, tissue_at_sides
from skullstrip.checks.input_checks import check_input, contrast_checks, fluid_and_bone
from skullstrip.errors import InputError
from skullstrip.network.brain_region import BrainRegion
from Testing.phantoms import make_head

HEAD = make_head()
QUIET = make_head(noise=0.0)
THICK = make_head(spacing_mm=(1.0, 1.0, 3.0))
OBLIQUE = make_head("PIR", (2.0, 3.0, 4.0), oblique_degrees=35)
THREE_MM = np.diag([3.0, 3.0, 3.0, 1.0])
BLOCK = (6, 2, 2)


def noise(shape=(40, 40, 40)):
    """A block of noise with air around it."""
    array = 100 * np.random.default_rng(0).random(shape, dtype=np.float32)
    return np.pad(array[3:-3, 3:-3, 3:-3], 3) if min(shape) > 8 else array


def found(array, affine):
    """Severity and code of each check."""
    return [f"{check.severity} {check.code}" for check in check_input(array, affine)]


def with_values(values, where):
    """The head, some of whose voxels have these values."""
    array = HEAD.array.copy()
    array[where] = values
    return array


def hardly_finite():
    array = np.full(HEAD.array.shape, np.nan, np.float32)
    array[0, 0, 1:3] = 1, 2  # voxels that a sample of every third one misses
    return array


@pytest.mark.parametrize(
    ("array", "affine", "expected"),
    [
        (HEAD.array, HEAD.affine, []),
        (OBLIQUE.array, OBLIQUE.affine, []),
        (HEAD.brain_mask, HEAD.affine, ["warn label_map"]),
        (HEAD.brain_mask.astype(np.float32), HEAD.affine, ["warn label_map"]),
        (make_head(noise=20.0).array * 20 - 1000, HEAD.affine, ["warn ct_like"]),
        (HEAD.array * HEAD.brain_mask, HEAD.affine, ["warn already_stripped"]),
        (THICK.array * THICK.brain_mask, THICK.affine, ["warn already_stripped"]),
        (with_values(np.nan, np.s_[::7, ::5]), HEAD.affine, ["note non_finite"]),
        (hardly_finite(), HEAD.affine, ["note non_finite"]),
        (with_values(-10000, np.s_[:, :4, :4]).astype(np.int32), HEAD.affine, ["note fill_values"]),
    ],
)
def test_intensities_and_axes_tell_what_is_no_ordinary_scan(array, affine, expected):
    assert found(array, affine) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_values([np.nan, np.inf, -np.inf], np.s_[0, 0, :3]), "3 voxels are NaN or infinite"),
        (with_values(-10000, np.s_[:, :4, :4]), "1600 voxels are far from all others (-10000"),
    ],
)
def test_voxels_that_are_no_values_are_counted(change, message):
    (check,) = check_input(change, HEAD.affine)
    assert check.message.startswith(message)


@pytest.mark.parametrize(
    ("array", "affine", "message"),
    [
        (noise((40, 40, 5)), np.eye(4), "field of view is 40 x 40 x 5 mm"),
        (noise(), np.diag([0.6, 0.5, 0.6, 1]), r"24 x 20 x 24 mm, .* and 60 along one axis"),
        (np.full((40, 40, 40), 7.5), THREE_MM, r"same value everywhere \(7\.5\)"),
        (np.where(np.indices((40, 40, 40))[0] < 20, 3, np.nan), THREE_MM, "same value"),
        (noise(), np.diag([1000.0, 1000.0, 1000.0, 1.0]), "spacing"),
    ],
)
def test_what_is_no_volume_of_a_head_is_refused(array, affine, message):
    with pytest.raises(InputError, match=message):
        check_input(array, affine)


@pytest.mark.parametrize(
    ("shape", "affine", "code", "words"),
    [
        ((40, 40, 160), np.diag([4, 4, 0.15, 1]), "spacing_unusual", "0.15 mm"),
        ((40, 40, 20), np.diag([4, 4, 9.0, 1]), "spacing_unusual", "9 mm"),
        ((40, 40, 40), THREE_MM + 3 * np.tan(np.radians(15)) * np.eye(4, k=1) * [1, 1, 0, 0],
         "affine_sheared", "15 degrees"),
    ],
)  # fmt: skip
def test_unusual_axes_are_a_warning_with_their_size(shape, affine, code, words):
    (check,) = [each for each in check_input(noise(shape), affine) if each.code == code]
    assert check.severity == "warn"
    assert words in check.message


# ---- the field of view ---------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "SPR"])
@pytest.mark.parametrize(
    ("side", "shift_mm"),
    [("top", (0, 0, -45)), ("front", (0, -50, 0)), ("back", (0, 50, 0)), ("left", (50, 0, 0)),
     ("right", (-50, 0, 0))],
)  # fmt: skip
def test_a_cut_is_named_by_its_side(orientation, side, shift_mm):
    head = make_head(orientation, (3.0, 3.0, 3.0), shift_mm=shift_mm)
    (check,) = check_input(head.array, head.affine)
    assert (check.code, check.severity) == ("head_cut", "warn")
    assert f"({side})" in check.message


def test_a_neck_that_leaves_below_is_no_cut_and_a_slab_is_too_narrow_for_a_brain():
    low = make_head(shift_mm=(0, 0, 30), field_of_view_mm=(200.0, 240.0, 190.0))
    assert found(low.array, low.affine) == []
    slab = make_head(field_of_view_mm=(200.0, 240.0, 60.0))
    (check,) = check_input(slab.array, slab.affine)
    assert check.code == "narrow"
    assert "60 mm" in check.message


@pytest.mark.parametrize("level", [0.05, 0.15])
def test_noise_in_the_air_is_no_tissue(level):
    shape, width = (2, *QUIET.array.shape), level * QUIET.array.max()
    real, imaginary = np.random.default_rng(0).normal(0, width, shape)
    noisy = np.hypot(QUIET.array + real, imaginary)  # as in magnitude images, never around zero
    assert max(tissue_at_sides(noisy, QUIET.affine).values()) < min(MOST_CM2.values())


@pytest.mark.parametrize("orientation", ["RAS", "PIL"])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (4095.0, 2047.5)])
def test_the_salt_and_pepper_air_of_mp2rage_is_no_tissue(orientation, scale, offset):
    head = make_head(orientation, noise=0.0)
    signal = np.minimum(head.array / 30, 1)
    first, second = (
        inversion + np.random.default_rng(seed).normal(0, 0.05, head.array.shape)
        for seed, inversion in enumerate((signal * (head.array / 50 - 1), signal))
    )
    uniform = scale * first * second / (first**2 + second**2) + offset
    assert max(tissue_at_sides(uniform, head.affine).values()) < min(MOST_CM2.values())


def test_values_near_the_largest_float_raise_no_warning():
    with np.errstate(over="raise", invalid="raise"):
        tissue_at_sides(HEAD.array * np.float32(1e36), HEAD.affine)


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
        (0.9, 0.05, ["note contrast_inverted"]),
        (0.41, 0.05, ["note contrast_inverted"]),
        (0.38, 0.9, ["warn ct_like"]),
    ],
)
def test_fluid_and_bone_tell_the_contrast(fluid, bone, expected):
    checks = contrast_checks(*brain_in_fluid(fluid, bone=bone))
    assert [f"{check.severity} {check.code}" for check in checks] == expected


def test_a_brain_without_a_core_is_no_reason_to_fail():
    head, region = brain_in_fluid(0.9)
    thin = BrainRegion(region.blocks & (np.arange(60)[:, None] == 30), BLOCK, 9, region.shape)
    assert fluid_and_bone(head, thin) == (0.0, 0.0)
