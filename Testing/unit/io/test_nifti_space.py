"""NIfTI headers at odds with themselves: units that are no millimetres, spacing, two places."""

import nibabel
import numpy as np
import pytest

from skullstrip.io import images

SHAPE = (20, 20, 20)
MOVED = np.diag([-9.0, 9, 9, 1]) + 30 * np.eye(4, k=3)  # by 30 mm to the right


def saved(path, sform, unit="mm", stated=None, qform=None):
    """A NIfTI file with this sform and unit; with another stated spacing it has no qform."""
    image = nibabel.Nifti1Image(np.indices(SHAPE).sum(axis=0).astype(np.int16), None)
    image.set_sform(sform, 1)
    image.set_qform(sform if qform is None else qform, stated is None)
    image.header.set_xyzt_units(unit)
    if stated is not None:
        image.header["pixdim"][1:4] = stated
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize(
    ("length", "header", "found", "words", "length_mm"),
    [
        (0.009, {"unit": "meter"}, "units_converted note", "units of meter", 9),
        (9000, {"unit": "micron"}, "units_converted note", "units of micron", 9),
        (9, {"unit": "meter"}, "units_unlikely warn", "units of meter", 9),
        (1e-4, {"unit": "micron"}, "", "", 1e-7),  # left to the check of sizes
        (9, {"stated": 4.5}, "spacing_disagrees warn", "4.5 x 4.5 x 4.5 mm, but its affine one of "
         "9 x 9 x 9 mm", 9),
        (9, {"stated": 9.05}, "", "", 9),
        (9, {"stated": 9.2}, "spacing_disagrees warn", "9.2 x 9.2 x 9.2 mm", 9),
        (9, {"qform": np.diag([-9.0, 9, 9, 1]) + np.eye(4, k=3)}, "", "", 9),
        (9, {"qform": MOVED}, "positions_disagree note", "30 mm apart", 9),
        (9, {"qform": np.diag([9.0, 9, 9, 1])}, "positions_disagree note", "apart", 9),
    ],
)  # fmt: skip
def test_what_a_header_says_against_itself_is_told_and_the_affine_is_in_millimetres(
    tmp_path, length, header, found, words, length_mm
):
    image = images.read_image(
        saved(tmp_path / "a.nii", length * np.diag([-1, 1, 1, 1 / length]), **header)
    )
    assert " ".join(f"{check.code} {check.severity}" for check in image.checks) == found
    assert all(words in check.message for check in image.checks)
    np.testing.assert_allclose(
        image.affine, length_mm * np.diag([-1, 1, 1, 1 / length_mm]), rtol=1e-6
    )


@pytest.mark.parametrize("name", ["out.nii.gz", "out.img", "out.mgz", "out.nrrd"])
def test_outputs_keep_the_headers_own_unit_and_formats_without_units_get_millimetres(
    tmp_path, name
):
    affine = np.diag([0.009, 0.009, 0.009, 1.0])
    affine[:3, 3] = 0.045
    image = images.read_image(saved(tmp_path / "a.nii", affine, "meter"))
    np.testing.assert_allclose(image.affine[:3, 3], 45, rtol=1e-6)
    images.write_mask(tmp_path / name, image, np.ones(SHAPE, bool))
    if name in ("out.nii.gz", "out.img"):
        source, written = nibabel.load(tmp_path / "a.nii"), nibabel.load(tmp_path / name)
        np.testing.assert_array_equal(written.affine, source.affine)
        assert written.header.get_xyzt_units()[0] == "meter"
    np.testing.assert_allclose(images.read_image(tmp_path / name).affine, image.affine, atol=1e-5)


def test_a_qform_that_is_no_rotation_is_passed_over(tmp_path):
    image = nibabel.load(saved(tmp_path / "a.nii", np.diag([-9.0, 8.0, 7.0, 1.0])))
    image.header["quatern_b"] = image.header["quatern_c"] = 3.0
    nibabel.save(image, tmp_path / "b.nii")
    assert images.read_image(tmp_path / "b.nii").checks == ()
