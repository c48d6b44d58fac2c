"""Headers at odds with themselves: spacing, and units that are no millimetres."""

import nibabel
import numpy as np
import pytest

from skullstrip.checks.header import space_checks
from skullstrip.io import images

SHAPE = (20, 20, 20)


def save(path, affine, unit="mm", pixdim=None):
    """A NIfTI file of zeros and ones with this sform, unit and stated spacing."""
    image = nibabel.Nifti1Image(np.indices(SHAPE).sum(axis=0).astype(np.int16), affine)
    image.header.set_xyzt_units(unit)
    if pixdim is not None:
        image.header["pixdim"][1:4] = pixdim
        image.header["qform_code"] = 0
    nibabel.save(image, path)
    return path


def codes(image):
    return [check.code for check in image.checks]


@pytest.mark.parametrize(("unit", "length"), [("meter", 0.009), ("micron", 9000.0)])
def test_other_units_are_converted_to_millimetres(tmp_path, unit, length):
    affine = np.diag([length, length, length, 1.0])
    affine[:3, 3] = 5 * length
    image = images.read_image(save(tmp_path / "a.nii", affine, unit))
    assert codes(image) == ["units_converted"]
    np.testing.assert_allclose(np.diag(image.affine), [9, 9, 9, 1], rtol=1e-6)
    np.testing.assert_allclose(image.affine[:3, 3], 45, rtol=1e-6)


@pytest.mark.parametrize("name", ["out.nii.gz", "out.img", "out.mgz", "out.nrrd"])
def test_outputs_keep_the_headers_own_unit_and_formats_without_units_get_millimetres(
    tmp_path, name
):
    source = save(tmp_path / "a.nii", np.diag([0.009, 0.009, 0.009, 1.0]), "meter")
    image = images.read_image(source)
    images.write_mask(tmp_path / name, image, np.ones(SHAPE, bool))
    if name in ("out.nii.gz", "out.img"):
        written = nibabel.load(tmp_path / name)
        np.testing.assert_array_equal(written.affine, nibabel.load(source).affine)
        assert written.header.get_xyzt_units()[0] == "meter"
    written = images.read_image(tmp_path / name)
    np.testing.assert_allclose(written.affine, image.affine, atol=1e-5)


def test_a_unit_that_makes_no_head_is_not_believed(tmp_path):
    image = images.read_image(save(tmp_path / "a.nii", np.diag([9.0, 9.0, 9.0, 1.0]), "meter"))
    assert codes(image) == ["units_unlikely"]
    np.testing.assert_allclose(np.diag(image.affine), [9, 9, 9, 1])


def test_a_size_that_fits_no_unit_is_left_to_the_check_of_sizes():
    affine, found = space_checks(
        ("micron", 0.001), np.ones(3) * 1e-6, np.eye(4) * 1e-6, None, SHAPE
    )
    assert (affine[0, 0], found) == (1e-9, ())


def test_a_spacing_at_odds_with_the_affine_is_a_warning_with_both(tmp_path):
    path = save(tmp_path / "a.nii", np.diag([9.0, 9.0, 9.0, 1.0]), pixdim=4.5)
    (check,) = images.read_image(path).checks
    assert (check.code, check.severity) == ("spacing_disagrees", "warn")
    assert "4.5 x 4.5 x 4.5 mm" in check.message
    assert "9 x 9 x 9 mm" in check.message


def test_rounding_is_no_contradiction():
    affine = np.diag([0.9375, 0.9375, 1.2, 1.0])
    for stated, is_other in (([0.938, 0.938, 1.2], False), ([0.96, 0.9375, 1.2], True)):
        _, found = space_checks(("mm", 1.0), np.array(stated), affine, None, SHAPE)
        assert bool(found) is is_other


@pytest.mark.parametrize(
    ("x_mm", "moved_mm", "noted"),
    [(-9.0, 0.0, ""), (-9.0, 1.0, ""), (-9.0, 30.0, "30 mm apart"), (9.0, 0.0, "apart")],
)
def test_two_places_in_one_header_are_a_note_with_their_distance(tmp_path, x_mm, moved_mm, noted):
    affine = np.diag([x_mm, 8.0, 7.0, 1.0])
    image = nibabel.Nifti1Image(np.indices(SHAPE).sum(axis=0).astype(np.int16), None)
    image.set_sform(affine, code="scanner")
    affine[0] = (-9.0, 0, 0, moved_mm)  # where the other is a left for a right
    image.set_qform(affine, code="scanner")
    nibabel.save(image, tmp_path / "a.nii")
    found = images.read_image(tmp_path / "a.nii")
    assert codes(found) == ["positions_disagree"] * bool(noted)
    assert all(noted in check.message for check in found.checks)
    np.testing.assert_array_equal(found.affine[:3, 3], 0)


def test_a_qform_that_is_no_rotation_is_passed_over(tmp_path):
    path = save(tmp_path / "a.nii", np.diag([-9.0, 8.0, 7.0, 1.0]))
    image = nibabel.load(path)
    image.header["qform_code"] = 1
    image.header["quatern_b"] = image.header["quatern_c"] = 3.0
    nibabel.save(image, tmp_path / "b.nii")
    assert "positions_disagree" not in codes(images.read_image(tmp_path / "b.nii"))
