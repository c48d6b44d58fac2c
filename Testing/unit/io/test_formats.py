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
