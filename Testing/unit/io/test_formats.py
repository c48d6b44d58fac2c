"""MGH, Analyze and NRRD beside NIfTI, and from one to another."""

import sys

import nibabel
import nrrd
import numpy as np
import pytest

from skullstrip.io import images
from Testing import hostile_files
from Testing.image_files import (
    AFFINE_TOLERANCE_MM,
    OBLIQUE,
    SHAPE,
    SUFFIXES,
    nifti,
    some_mask,
    voxels,
)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_returns_its_voxels_on_its_grid(tmp_path, suffix):
    image = images.read_image(nifti(tmp_path / "in.nii.gz", voxels()))
    images.write_brain(tmp_path / f"first{suffix}", image, np.ones(SHAPE, bool))
    again = images.read_image(tmp_path / f"first{suffix}")
    np.testing.assert_array_equal(again.array, voxels())
    assert again.array.dtype == np.int16
    assert "no_orientation" not in [check.code for check in again.checks]
    np.testing.assert_allclose(again.affine, image.affine, atol=AFFINE_TOLERANCE_MM)
    # Within one format nothing moves any more.
    images.write_mask(tmp_path / f"mask{suffix}", again, some_mask())
    mask = images.read_image(tmp_path / f"mask{suffix}")
    assert mask.affine.tobytes() == again.affine.tobytes()
    assert mask.array.dtype == np.uint8
    np.testing.assert_array_equal(mask.array, some_mask())


@pytest.mark.parametrize("missing", ["none", "isal"])
def test_packed_files_are_read_and_written_without_isal_too(tmp_path, monkeypatch, missing):
    image = images.read_image(nifti(tmp_path / "T1.nii.gz", voxels()))
    whole = np.ones(SHAPE, bool)
    images.write_brain(tmp_path / "before.nii.gz", image, whole)
    monkeypatch.setitem(sys.modules, missing, None)
    images.write_brain(tmp_path / "after.nii.gz", image, whole)
    for name in ("before.nii.gz", "after.nii.gz"):
        np.testing.assert_array_equal(images.read_image(tmp_path / name).array, voxels())
        assert (tmp_path / name).read_bytes()[3:8] == bytes(5), "neither name nor time is kept"


@pytest.mark.parametrize("target", [".nii", ".img", ".mgz", ".nhdr"])
@pytest.mark.parametrize("source", [".mgz", ".nrrd", ".img"])
def test_the_output_may_be_of_another_format_than_the_input(tmp_path, source, target):
    first = images.read_image(nifti(tmp_path / "in.nii.gz", voxels()))
    images.write_brain(tmp_path / f"a{source}", first, np.ones(SHAPE, bool))
    images.write_brain(
        tmp_path / f"b{target}", images.read_image(tmp_path / f"a{source}"), some_mask()
    )
    result = images.read_image(tmp_path / f"b{target}")
    if target == ".nii" and source != ".img":  # which names no unit
        assert nibabel.load(result.path).header.get_xyzt_units()[0] == "mm"
    np.testing.assert_array_equal(result.array, voxels() * some_mask())
    np.testing.assert_allclose(result.affine, first.affine, atol=AFFINE_TOLERANCE_MM)


@pytest.mark.parametrize(
    ("dtype", "slope", "target", "stored_as"),
    [
        (np.int16, 0.5, ".mgz", np.float32),
        (np.int16, 0.5, ".nrrd", np.float32),
        (np.float64, 1.0, ".mgz", np.float32),
        (np.int8, 1.0, ".mgz", np.int32),
        (np.uint16, 1.0, ".nrrd", np.uint16),
    ],
)
def test_a_format_that_cannot_hold_the_scaling_or_dtype_gets_values(
    tmp_path, dtype, slope, target, stored_as
):
    source = nifti(tmp_path / "in.nii", voxels(dtype), slope=slope)
    images.write_brain(tmp_path / f"out{target}", images.read_image(source), some_mask())
    result = images.read_image(tmp_path / f"out{target}")
    assert result.array.dtype == np.dtype(stored_as)
    expected = (voxels(dtype) * slope * some_mask()).astype(stored_as)
    np.testing.assert_array_equal(result.array, expected)


@pytest.mark.parametrize(
    "image_class", [nibabel.Spm2AnalyzeImage, nibabel.Spm99AnalyzeImage, nibabel.AnalyzeImage]
)
def test_analyze_is_read_with_a_note_that_it_names_no_orientation(tmp_path, image_class):
    nibabel.save(image_class(voxels(), np.diag([-2.0, 2, 2, 1])), tmp_path / "in.img")
    (tmp_path / "in.mat").unlink(missing_ok=True)
    image = images.read_image(tmp_path / "in.img")
    assert [check.code for check in image.checks] == ["no_orientation"]
    images.write_mask(tmp_path / "mask.img", image, some_mask())
    np.testing.assert_array_equal(images.read_image(tmp_path / "mask.img").affine, image.affine)
    assert not (tmp_path / "mask.mat").exists(), "a file that nobody named"


def test_nifti_without_sform_and_qform_warns(tmp_path):
    image = nibabel.Nifti1Image(voxels(), None)
    image.header.set_zooms((2, 2, 3))
    nibabel.save(image, tmp_path / "in.nii")
    (check,) = images.read_image(tmp_path / "in.nii").checks
    assert (check.code, check.severity) == ("no_orientation", "note")


@pytest.mark.parametrize(
    ("space", "signs"),
    [("left-posterior-superior", (-1, -1, 1)), ("LPS", (-1, -1, 1)), ("RAS", (1, 1, 1)),
     ("left-anterior-superior", (-1, 1, 1))],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["gzip", "raw"])
def test_nrrd_space_becomes_a_ras_affine(tmp_path, space, signs, encoding):
    directions = OBLIQUE[:3, :3].T
    header = {"space": space, "space directions": directions, "space origin": OBLIQUE[:3, 3],
              "encoding": encoding, "kinds": ["domain"] * 3}  # fmt: skip
    nrrd.write(str(tmp_path / "in.nrrd"), voxels(">i2"), header)
    image = images.read_image(tmp_path / "in.nrrd")
    np.testing.assert_allclose(image.affine, np.diag([*signs, 1]) @ OBLIQUE)
    np.testing.assert_array_equal(image.array, voxels())
    images.write_mask(tmp_path / "mask.nrrd", image, some_mask())
    mask, written = nrrd.read(str(tmp_path / "mask.nrrd"))
    np.testing.assert_array_equal(mask, some_mask())
    assert written["space"] == header["space"]
    assert written["space directions"].tobytes() == directions.tobytes()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"NRRD0005\ntype: short\ndata file: x.raw\n\nvoxels", ["T1.nhdr", "x.raw"]),
        (b"NRRD0005\r\nDataFile:x.raw\r\n", ["T1.nhdr", "x.raw"]),
        (b"NRRD0005\ntype: short\n\ndata file: x.raw\n", ["T1.nhdr"]),
        (b"NRRD0005\ndata file:=x.raw\n\n", ["T1.nhdr", "x.raw"]),
        (b"NRRD0005\ndata file:" + b" " * 99_999 + b"x.raw\n\n", ["T1.nhdr", "x.raw"]),
        (b"NRRD0005\ndata file: ../x.raw\n", ["T1.nhdr"]),
        (b"NRRD0005\ndata file: a\0b\n", ["T1.nhdr"]),
        (b"", ["T1.nhdr"]),
    ],
)
def test_all_files_of_a_nrrd_image_are_found(tmp_path, content, expected):
    (tmp_path / "T1.nhdr").write_bytes(content)
    (tmp_path / "x.raw").write_bytes(b"voxels")
    assert [path.name for path in images.files_read(tmp_path / "T1.nhdr")] == expected


@pytest.mark.parametrize(
    ("name", "shape"),
    [("in.nii", (*SHAPE, 1)), ("in.nii", (*SHAPE, 1, 1)), ("in.nii", (1, *SHAPE)),
     ("in.nrrd", (*SHAPE, 1)), ("in.nrrd", (1, *SHAPE))],
)  # fmt: skip
def test_axes_of_length_one_are_kept_within_a_format_and_left_out_of_another(tmp_path, name, shape):
    path, suffix = tmp_path / name, name[2:]
    if suffix == ".nii":
        nifti(path, voxels(shape=shape))
    else:
        directions = np.insert(OBLIQUE[:3, :3].T, shape.index(1), np.nan, axis=0)
        header = {"space": "RAS", "space directions": directions, "space origin": OBLIQUE[:3, 3]}
        nrrd.write(str(path), voxels(shape=shape), header)
    image = images.read_image(path)
    np.testing.assert_array_equal(image.array, voxels())
    for write in (images.write_brain, images.write_mask, images.write_probability):
        write(tmp_path / f"out{suffix}", image, some_mask())
        assert images.read_image(tmp_path / f"out{suffix}").stored.shape == shape
        for other in {".nii.gz", ".mgz", ".nrrd"} - {suffix, suffix + ".gz"}:
            write(tmp_path / f"out{other}", image, some_mask())
            written = images.read_image(tmp_path / f"out{other}")
            assert written.stored.shape == SHAPE
            np.testing.assert_allclose(written.affine, OBLIQUE, atol=AFFINE_TOLERANCE_MM)


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({"spacings": [2.0, 3.0, 4.0]}, SHAPE),
        ({"space dimension": 3, "space directions": np.diag([2.0, 3.0, 4.0])}, SHAPE),
        ({"space": "scanner-xyz", "space directions": np.diag([2.0, 3.0, 4.0])}, SHAPE),
        ({"spacings": [np.nan, 2.0, 3.0, 4.0]}, (1, *SHAPE)),
        ({"spacings": [2.0, 3.0, 4.0, np.nan]}, (*SHAPE, 1)),
    ],
)
def test_nrrd_without_a_known_space_gets_the_affine_that_nibabel_assumes(tmp_path, fields, shape):
    nrrd.write(str(tmp_path / "in.nrrd"), voxels().reshape(shape), fields)
    image = images.read_image(tmp_path / "in.nrrd")
    header = nibabel.Nifti1Header()
    header.set_data_shape(SHAPE)
    header.set_zooms((2, 3, 4))
    np.testing.assert_allclose(image.affine, header.get_base_affine())
    assert [check.code for check in image.checks] == ["no_orientation"]


@pytest.mark.filterwarnings("ignore")  # nibabel's own, of its files
@pytest.mark.parametrize("name", ["afni", "packed_afni", "minc1", "minc2", "philips", "spm"])
def test_a_format_that_only_nibabel_reads_gives_its_voxels_in_place(tmp_path, name):
    make = hostile_files.minc2() if name == "minc2" else getattr(hostile_files, name)
    path = make(tmp_path)
    expected, image = nibabel.load(path), images.read_image(path)
    values = expected.get_fdata().reshape(image.array.shape)
    np.testing.assert_allclose(image.array, values, rtol=1e-5)
    np.testing.assert_allclose(image.affine, expected.affine)
    mask = values > np.median(values)
    images.write_brain(tmp_path / "brain.nii.gz", image, mask)
    brain = images.read_image(tmp_path / "brain.nii.gz")
    np.testing.assert_allclose(brain.array, values * mask, rtol=1e-5)
    np.testing.assert_allclose(brain.affine, image.affine, atol=AFFINE_TOLERANCE_MM)


# ---- NIfTI headers at odds with themselves -------------------------------------------------------

CUBE = (20, 20, 20)
MOVED = np.diag([-9.0, 9, 9, 1]) + 30 * np.eye(4, k=3)  # by 30 mm to the right


def saved(path, sform, unit="mm", stated=None, qform=None):
    """A NIfTI file with this sform and unit; with another stated spacing it has no qform."""
    image = nibabel.Nifti1Image(np.indices(CUBE).sum(axis=0).astype(np.int16), None)
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
    images.write_mask(tmp_path / name, image, np.ones(CUBE, bool))
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
