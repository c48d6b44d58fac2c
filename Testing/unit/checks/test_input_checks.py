"""Each check on a made case; an ordinary head passes without a word."""

import numpy as np
import pytest

from skullstrip.checks.input_checks import MAX_SPACING_MM, MIN_SLICES, check_input
from skullstrip.errors import InputError

THREE_MM = np.diag([3.0, 3.0, 3.0, 1.0])


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


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int64, np.float64])
def test_any_real_dtype_passes(dtype):
    assert check_input(noise(dtype=dtype), THREE_MM) == ()


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


@pytest.mark.parametrize("shape", [(40, 40), (40, 40, 40, 2), (40,)])
def test_other_than_three_dimensions_are_refused(shape):
    with pytest.raises(InputError, match=rf"{len(shape)} dimensions"):
        check_input(noise(shape), THREE_MM)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_too_few_slices_are_refused_along_any_axis(axis):
    shape = [40, 40, 40]
    shape[axis] = MIN_SLICES - 1
    with pytest.raises(InputError, match="only 4 slices"):
        check_input(noise(shape), np.diag([9.0, 9.0, 9.0, 1.0]))


def test_five_voxels_of_a_millimetre_are_no_head():
    with pytest.raises(InputError, match="field of view is 40 x 40 x 5 mm"):
        check_input(noise((40, 40, 5)), np.eye(4))


@pytest.mark.parametrize(("dtype", "word"), [(np.complex64, "complex"), ("V3", "colour")])
def test_voxels_that_are_no_real_numbers_are_refused(dtype, word):
    with pytest.raises(InputError, match=word):
        check_input(np.zeros((40, 40, 40), dtype), THREE_MM)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((40, 40, 40), np.uint8), "only zeros"),
        (np.full((40, 40, 40), 7.5), r"same value everywhere \(7\.5\)"),
        (np.full((40, 40, 40), np.nan), "no finite value"),
        (np.full((40, 40, 40), np.inf), "no finite value"),
    ],
)
def test_an_image_without_contrast_is_refused(array, message):
    with pytest.raises(InputError, match=message):
        check_input(array, THREE_MM)


def test_one_value_among_nans_is_still_constant():
    array = np.full((40, 40, 40), np.nan)
    array[:20] = 3
    with pytest.raises(InputError, match="same value"):
        check_input(array, THREE_MM)


def test_nan_and_infinity_are_counted_in_a_note():
    array = noise()
    array[0, 0, :3] = np.nan, np.inf, -np.inf
    (check,) = check_input(array, THREE_MM)
    assert (check.code, check.severity) == ("non_finite", "note")
    assert check.message.startswith("3 voxels")


def test_a_singular_affine_is_refused():
    with pytest.raises(InputError, match="singular"):
        check_input(noise(), np.diag([1.0, 1.0, 0.0, 1.0]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_affine_that_is_not_finite_is_refused(value):
    affine = np.eye(4)
    affine[1, 3] = value
    with pytest.raises(InputError, match="finite"):
        check_input(noise(), affine)


@pytest.mark.parametrize(("spacing", "slices"), [(0.15, 160), (MAX_SPACING_MM + 1, 20)])
def test_unusual_voxels_are_a_warning_with_their_size(spacing, slices):
    check = found(noise((40, 40, slices)), np.diag([4.0, 4.0, spacing, 1.0]))["spacing_unusual"]
    assert check.severity == "warn"
    assert f"{spacing:g} mm" in check.message


@pytest.mark.parametrize("spacing", [0.001, 1000.0])
def test_metres_or_micrometres_taken_for_millimetres_are_refused(spacing):
    with pytest.raises(InputError, match="spacing"):
        check_input(noise(), np.diag([spacing, spacing, spacing, 1.0]))


def test_a_shear_is_a_warning_with_its_angle():
    sheared = THREE_MM.copy()
    sheared[0, 1] = 3 * np.tan(np.radians(15))
    check = found(noise(), sheared)["affine_sheared"]
    assert check.severity == "warn"
    assert "15 degrees" in check.message


def test_an_oblique_scan_is_not_sheared(phantom):
    head = phantom("PIR", (2.0, 3.0, 4.0), oblique_degrees=35)
    assert check_input(head.array, head.affine) == ()
