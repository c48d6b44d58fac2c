"""What is read is what lies in the file, what is written matches it, what is broken is refused."""

import os
import tempfile
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
from nibabel import imageglobals

from skullstrip.errors import InputError
from skullstrip.io import images
from Testing.image_files import nifti, some_mask, stored_in, voxels

NOBODY = 65534


@pytest.mark.parametrize("image_class", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("write", [images.write_brain, images.write_mask, images.write_probability])
def test_outputs_keep_sform_qform_and_codes_bit_for_bit(tmp_path, write, image_class):
    source = nifti(tmp_path / "in.nii.gz", voxels(), image_class=image_class)
    write(tmp_path / "out.nii.gz", images.read_image(source), some_mask())
    before, after = nibabel.load(source), nibabel.load(tmp_path / "out.nii.gz")
    assert type(after) is image_class
    assert after.shape == before.shape
    assert after.affine.tobytes() == before.affine.tobytes()
    for field in ("srow_x", "srow_y", "srow_z", "sform_code", "qform_code", "quatern_b",
                  "qoffset_x", "pixdim", "xyzt_units"):  # fmt: skip
        assert after.header[field].tobytes() == before.header[field].tobytes(), field


NAMED = b"DOE^JOHN"


def named_nifti(path):
    image = nibabel.Nifti1Image(voxels(), np.diag([2.0, 2, 2, 1]))
    for field in ("descrip", "aux_file", "intent_name", "db_name"):
        image.header[field] = NAMED
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", NAMED))
    nibabel.save(image, path)


def named_nrrd(path):
    fields = {"space": "LPS", "space directions": np.eye(3) * 2, "space origin": np.zeros(3)}
    nrrd.write(
        str(path), voxels(), {**fields, "PatientName": NAMED.decode(), "content": "DOE^JOHN"}
    )


@pytest.mark.parametrize(
    ("name", "make"), [("in.nii", named_nifti), ("in.hdr", named_nifti), ("in.nhdr", named_nrrd)]
)
def test_only_the_stripped_scan_keeps_what_its_header_says_of_the_patient(tmp_path, name, make):
    make(tmp_path / name)
    image = images.read_image(tmp_path / name)
    for write, is_kept in (
        (images.write_mask, False), (images.write_probability, False), (images.write_brain, True),
    ):  # fmt: skip
        out = tmp_path / f"{write.__name__}{name[2:]}"
        write(out, image, some_mask())
        assert (NAMED in out.read_bytes()) is is_kept, out
        np.testing.assert_allclose(images.read_image(out).affine, image.affine)


@pytest.mark.parametrize(
    ("dtype", "slope", "inter"),
    [("i2", 2.5, -1000.0), ("u2", 0.37, 0.0), ("u1", 1.0, -12.0), ("f8", 2.0, 1.0),
     *((dtype, 1.0, 0.0) for dtype in ("i1", "i2", "i8", "f4", ">i2", ">f4"))],
)  # fmt: skip
def test_the_brain_keeps_stored_voxels_nan_too_dtype_and_scaling(tmp_path, dtype, slope, inter):
    stored = voxels(dtype)
    if dtype == "f4":
        stored[5, 5, 4] = stored[0, 0, 0] = np.nan
    source = nifti(tmp_path / "in.nii", stored, slope=slope, inter=inter)
    images.write_brain(tmp_path / "out.nii", images.read_image(source), some_mask())
    before, after = stored_in(source), stored_in(tmp_path / "out.nii")
    assert after[0].dtype == before[0].dtype
    assert after[1:] == before[1:]
    assert after[0][some_mask()].tobytes() == before[0][some_mask()].tobytes()
    outside = after[0][~some_mask()] * after[1] + after[2]
    assert not outside.any()
    assert not np.signbit(outside).any()


@pytest.mark.parametrize(
    ("dtype", "slope", "inter"),
    [
        (np.int16, 2.0, -101.0),  # half a step from zero either way
        (np.uint8, 1.0, 12.0),  # no stored value is as low
        (np.int16, 0.37, 1000.0065),  # as nibabel scales floats
        (np.float32, 0.1, 7.3),
        (np.int64, 1e-300, 1.0),
        (np.uint64, 1e-30, -1.0),
    ],
)
@pytest.mark.parametrize("suffix", [".nii", ".mgz", ".nrrd"])
def test_outside_is_exactly_zero_whatever_the_scaling(tmp_path, dtype, slope, inter, suffix):
    source = images.read_image(nifti(tmp_path / "in.nii", voxels(dtype), slope=slope, inter=inter))
    for mask in (some_mask(), ~some_mask()):
        images.write_brain(tmp_path / f"out{suffix}", source, mask)
        result = images.read_image(tmp_path / f"out{suffix}").array
        assert not result[~mask].any()
        np.testing.assert_allclose(result[mask], source.array[mask], rtol=1e-6)
    if suffix == ".nii":
        assert not np.asarray(nibabel.load(tmp_path / "out.nii").dataobj)[~mask].any()


@pytest.mark.parametrize(("slope", "inter", "dtype"), [(0.5, -3.0, "=f4"), (1.0, 0.0, "=i2")])
def test_values_are_scaled_and_native_and_integers_stay_so_unscaled(tmp_path, slope, inter, dtype):
    source = nifti(tmp_path / "in.nii", voxels(">i2"), slope=slope, inter=inter)
    array = images.read_image(source).array
    assert array.dtype == np.dtype(dtype)
    np.testing.assert_allclose(array, voxels() * slope + inter)


def test_mask_and_probability_have_no_scaling_and_no_display_range(tmp_path):
    stored = voxels(np.uint8)
    source = nifti(tmp_path / "in.nii", stored, slope=4.0, inter=2.0)
    image = images.read_image(source)
    image.header["cal_max"] = 900
    images.write_mask(tmp_path / "mask.nii", image, some_mask())
    images.write_probability(tmp_path / "p.nii", image, some_mask() * np.float32(0.3))
    mask, slope, inter = stored_in(tmp_path / "mask.nii")
    assert (mask.dtype, slope, inter) == (np.uint8, 1.0, 0.0)
    np.testing.assert_array_equal(mask, some_mask())
    assert nibabel.load(tmp_path / "mask.nii").header["cal_max"] == 0
    probability, slope, inter = stored_in(tmp_path / "p.nii")
    assert (probability.dtype, slope, inter) == (np.float32, 1.0, 0.0)
    np.testing.assert_array_equal(probability, some_mask() * np.float32(0.3))


@pytest.mark.parametrize("was_disabled", [False, True])
def test_nibabel_logs_nothing_of_a_header_and_is_afterwards_as_it_was(
    tmp_path, monkeypatch, caplog, was_disabled
):
    path = nifti(tmp_path / "in.nii", voxels())
    content = bytearray(path.read_bytes())
    content[80:84] = np.float32(-1).tobytes()  # a step, which nibabel repairs with a remark
    path.write_bytes(content)
    monkeypatch.setattr(imageglobals.logger, "disabled", False)
    nibabel.load(path)
    assert "should be positive" in caplog.text
    caplog.clear()
    monkeypatch.setattr(imageglobals.logger, "disabled", was_disabled)
    image = images.read_image(path)
    images.write_mask(tmp_path / "out.nii", image, some_mask())
    assert caplog.text == ""
    assert imageglobals.logger.disabled is was_disabled


@pytest.mark.parametrize("folder_mode", [0o755, 0o700])
def test_a_file_that_may_not_be_read_is_said_to_be_so(folder_mode):
    with tempfile.TemporaryDirectory() as name:
        path = nifti(Path(name) / "in.nii", voxels())
        images.read_image(path)  # what has to be imported is
        path.chmod(0)
        Path(name).chmod(folder_mode)
        is_root = os.geteuid() == 0
        try:
            if is_root:
                os.seteuid(NOBODY)
            with pytest.raises(InputError, match="Permission denied"):
                images.read_image(path)
        finally:
            if is_root:
                os.seteuid(0)
