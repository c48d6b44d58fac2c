"""Each check on a made case; an ordinary head passes without a word.

More that is refused, `Testing/hostile.py` has.
"""

import numpy as np
import pytest

from skullstrip.checks.input_checks import MAX_SPACING_MM, check_input
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
