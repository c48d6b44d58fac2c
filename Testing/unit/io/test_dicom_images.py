"""Series of DICOM files become volumes where they lie, or are refused in one sentence."""

import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.uid import JPEG2000Lossless, generate_uid  # noqa: E402

from skullstrip.checks.input_checks import check_input  # noqa: E402
from skullstrip.errors import ChoiceError, InputError  # noqa: E402
from skullstrip.io.dicom_header import read_instance  # noqa: E402
from skullstrip.io.dicom_images import read_voxels  # noqa: E402
from skullstrip.io.images import files_read, read_image, write_brain  # noqa: E402
from Testing import dicom_files as dicom  # noqa: E402
from Testing.programs import run_program  # noqa: E402

PLACE_MM = 1e-3
SCALING = (2.5, -7.0)


def canonical(array, affine):
    """Voxels and affine with the axes turned to right, anterior, superior."""
    image = nibabel.as_closest_canonical(nibabel.Nifti1Image(array.astype(np.float32), affine))
    return image.get_fdata(), image.affine


def assert_lies_as_by_dcm2niix(folder, out):
    """What is read of a folder, in canonical axes, after it was compared with dcm2niix's image."""
    program = pytest.importorskip("dcm2niix").bin
    out.mkdir()
    run_program(program, "-b", "n", "-f", "scan", "-o", out, folder, check=True)
    (path,) = out.glob("*.nii")
    theirs, image = nibabel.load(path), read_image(folder)
    found, place = canonical(image.array, image.affine)
    expected, truth = canonical(theirs.get_fdata(), theirs.affine)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(place, truth, atol=PLACE_MM)
    return found, place


@pytest.mark.parametrize("made", [dicom.axial, dicom.sagittal, dicom.oblique])
@pytest.mark.parametrize("kind", ["classic", "enhanced"])
def test_voxels_lie_where_they_were_written_and_where_dcm2niix_puts_them(tmp_path, made, kind):
    array, affine = dicom.voxels(), made()
    if kind == "classic":
        slope, intercept = SCALING
        series = dicom.datasets(array, affine, RescaleSlope=slope, RescaleIntercept=intercept)
    else:
        series = [dicom.enhanced(array, affine, SCALING)]
    folder = dicom.save(tmp_path / "series", series)
    found, place = assert_lies_as_by_dcm2niix(folder, tmp_path / "nifti")
    expected, truth = canonical(array * SCALING[0] + SCALING[1], affine)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(place, truth, atol=PLACE_MM)


def test_a_scanners_enhanced_file_lies_where_dcm2niix_puts_it_and_a_mosaic_is_refused(tmp_path):
    folder = dicom.of_a_scanner(tmp_path / "philips", "philips_mprage")
    found, _ = assert_lies_as_by_dcm2niix(folder, tmp_path / "nifti")
    assert sorted(found.shape) == [176, 256, 256]
    folder = dicom.of_a_scanner(tmp_path / "siemens", "siemens_dwi_0")
    with pytest.raises(InputError, match=r"Series 12 is a Siemens mosaic.*dcm2niix"):
        read_image(folder)


def test_slices_of_a_tilted_gantry_keep_their_places_in_a_sheared_affine(tmp_path):
    array = dicom.voxels((24, 20, 30))
    image = read_image(dicom.save(tmp_path / "s", dicom.datasets(array, dicom.sheared())))
    np.testing.assert_allclose(image.affine, dicom.sheared(), atol=PLACE_MM)
    np.testing.assert_array_equal(image.array, array)
    assert "affine_sheared" in [check.code for check in check_input(image.array, image.affine)]


def test_each_slice_has_its_own_slope_and_intercept(tmp_path):
    array = dicom.voxels()
    series = dicom.datasets(array, dicom.axial())
    for number, dataset in enumerate(series):
        dataset.RescaleSlope, dataset.RescaleIntercept = number + 1, -number
    image = read_image(dicom.save(tmp_path / "s", series))
    number = np.arange(array.shape[2])
    np.testing.assert_array_equal(image.array, array * (number + 1.0) - number)


def test_one_file_brings_its_series_and_nothing_else(tmp_path):
    array = dicom.voxels()
    folder = dicom.save(tmp_path / "s", dicom.datasets(array, dicom.axial()))
    other = dicom.datasets(array[:, :, :3], dicom.axial(), SeriesNumber=4)
    dicom.save(folder, other, "OTHER{}.dcm")
    file = folder / "IM0014"
    assert read_image(file).stored.shape == array.shape
    assert len(files_read(file)) == array.shape[2]


# ---- what is refused -----------------------------------------------------------------------------


def changed(*numbers, **fields):
    """Slices of these numbers, by default all, that say something else; None: nothing."""

    def spoil(series):
        for number in numbers or range(len(series)):
            for keyword, value in fields.items():
                if value is None:
                    delattr(series[number], keyword)
                else:
                    setattr(series[number], keyword, value)
        return series

    return spoil


def moved(axis, mm):
    def spoil(series):
        series[5].ImagePositionPatient[axis] += mm
        return series

    return spoil


def with_another_echo(series):
    again = dicom.datasets(dicom.voxels(), dicom.axial(), EchoTime=90)
    return [*series, *changed(SeriesInstanceUID=series[0].SeriesInstanceUID)(again)]


NOWHERE = changed(ImagePositionPatient=None)
NO_PLACE = "does not say of every slice where it lies"
REFUSALS = [
    (lambda series: [*series[:4], *series[6:]], "lacks 2 slices, the first after number 4 of 10"),
    (moved(2, 0.7), "Series 3 has slices between 1.8 and 3.2 mm apart"),
    (moved(0, 3), "slices up to 3 mm off the line"),
    (with_another_echo, "24 slices at 12 places, of echo times 2.98 and 90 ms"),
    (changed(5, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), "2 orientations, as a localizer"),
    (changed(5, Rows=24, Columns=20), "slices of several sizes"),
    (NOWHERE, NO_PLACE),
    (changed(0, NumberOfFrames=10**9), NO_PLACE),
    (changed(0, ImagePositionPatient=[1, 2]), NO_PLACE),
    (changed(0, PhotometricInterpretation="MONOCHROME1"), "is stored as MONOCHROME1"),
    (changed(BitsAllocated=32, PixelRepresentation=None), "holds numbers in floating point"),
    (changed(0, PixelData=bytes(860)), "is cut short: 860 bytes of voxels instead of 960"),
    (changed(Rows=65535, Columns=65535), "claims 65535 x 65535 x 12 voxels, more than the limit"),
]


@pytest.mark.parametrize(("spoil", "words"), REFUSALS)
def test_what_is_no_volume_is_refused_in_a_sentence(tmp_path, spoil, words):
    series = spoil(dicom.datasets(dicom.voxels(), dicom.axial()))
    with pytest.raises(InputError, match=words) as refusal:
        read_image(dicom.save(tmp_path / "s", series))
    assert str(refusal.value).endswith(".")
    assert str(refusal.value).count(". ") == 0


def test_files_without_preamble_are_read_as_they_were_written_once(tmp_path):
    array = dicom.voxels()
    for number, dataset in enumerate(dicom.datasets(array, dicom.axial())):
        del dataset.file_meta
        dataset.save_as(tmp_path / str(number), implicit_vr=True, little_endian=True)
    np.testing.assert_array_equal(read_image(tmp_path).array, array)


def test_copies_of_files_are_left_out_and_noted_and_files_that_share_a_uid_by_mistake_are_none(
    tmp_path,
):
    series = dicom.datasets(dicom.voxels(), dicom.axial(), SOPInstanceUID=generate_uid())
    folder = dicom.save(tmp_path / "s", series)
    assert read_image(folder).checks == ()
    dicom.save(folder / "again", series[:3])
    image = read_image(folder)
    assert image.stored.shape == dicom.voxels().shape
    assert [check.message for check in image.checks] == [
        "Copies of slices that are there already were left out (3 of the files)."
    ]


# ---- packed --------------------------------------------------------------------------------------


def carried(name):
    """Voxels of a file that pydicom carries."""
    return read_voxels(read_instance(Path(get_testdata_file(name))))


@pytest.mark.parametrize("packed", ["RLE", "jp2klossless", "jpeg_ls_lossless", "bigendian"])
def test_packed_voxels_are_those_of_the_plain_file(packed):
    plain = carried("MR_small.dcm")
    np.testing.assert_array_equal(carried(f"MR_small_{packed}.dcm"), plain)
    assert plain.max() > 0
    assert carried("JPGExtended.dcm").shape == (1, 1024, 256)


@pytest.mark.parametrize(("place", "size"), [(8, 60000), (40, 16384)])
def test_a_packed_picture_of_another_size_than_its_header_names_is_never_unpacked(
    tmp_path, place, size
):
    dataset = pydicom.dcmread(get_testdata_file("MR_small_jp2klossless.dcm"))
    content = bytearray(dataset.PixelData)
    start = content.index(b"\xff\x4f\xff\x51") + place
    content[start : start + 2] = size.to_bytes(2, "big")
    dataset.PixelData = bytes(content)
    dataset.save_as(tmp_path / "bomb.dcm")
    assert dataset.file_meta.TransferSyntaxUID == JPEG2000Lossless
    claimed = 64 + size * 2**16 if place == 8 else size  # the upper half of four bytes, or two
    with pytest.raises(InputError, match=f"holds a picture of .*{claimed}"):
        read_voxels(read_instance(tmp_path / "bomb.dcm"))


def test_a_deflated_file_is_refused_without_being_unpacked(tmp_path, monkeypatch):
    series = dicom.datasets(dicom.voxels(), dicom.axial())[:1]
    series[0].file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    folder = dicom.save(tmp_path / "s", series)
    monkeypatch.delattr(zlib, "decompress")
    with pytest.raises(InputError, match="deflated DICOM, which is not read"):
        read_image(folder)


# ---- several series, and what of them is said ----------------------------------------------------


@pytest.fixture
def study(tmp_path):
    """A folder of two series, a screenshot and a report, as a CD has them."""
    array = dicom.voxels()
    folder = tmp_path / "Roe_Jane"
    dicom.save(folder / "A", dicom.datasets(array, dicom.axial()))
    second = dicom.datasets(
        array[:, :, :6], dicom.sagittal(), SeriesNumber=12, SeriesDescription="FLAIR Roe",
        RepetitionTime=9000, ContrastBolusAgent="Gd",
    )  # fmt: skip
    dicom.save(folder / "B", second)
    screenshot = NOWHERE(dicom.datasets(array[:, :, :1], dicom.axial(), SeriesNumber=99))
    dicom.save(folder / "C", screenshot)
    report = dicom.datasets(array[:, :, :1], dicom.axial(), Modality="SR", SeriesNumber=98)[0]
    del report.Rows
    dicom.save(folder / "D", [report])
    return folder


def test_of_several_series_there_is_a_list_to_choose_from(study):
    with pytest.raises(ChoiceError, match=r"holds 2 series; name a file of the one") as error:
        read_image(study)
    first, second = error.value.choices
    said = " ".join(first.split())
    assert said == "3 t1 mprage/sag 24 x 20 x 12 TR 2300, TE 2.98, TI 900 ms"
    # The description has the patient's name.
    assert " ".join(second.split()).startswith("12 24 x 20 x 6 TR 9000")
    assert second.endswith("TR 9000, TE 2.98, TI 900 ms, contrast agent")
    assert read_image(study, series=12).stored.shape == (24, 20, 6)
    with pytest.raises(ChoiceError, match="no series 5"):
        read_image(study, series=5)


def test_series_of_the_same_number_are_numbered_anew(study):
    dicom.save(study / "E", dicom.datasets(dicom.voxels((9, 8, 7)), dicom.axial()))
    shapes = [read_image(study, series=number).stored.shape for number in (1, 2, 3)]
    assert sorted(shapes) == [(9, 8, 7), (24, 20, 6), (24, 20, 12)]


def test_nothing_of_the_patient_gets_out_of_the_files(study, tmp_path):
    image = read_image(study, series=12)
    write_brain(tmp_path / "out.nii", image, np.ones(image.array.shape, bool))
    write_brain(tmp_path / "out.nrrd", image, np.ones(image.array.shape, bool))
    assert image.name == "series_12"
    assert read_image(study, series=3).name == "series_3_t1_mprage_sag"
    for name in ("out.nii", "out.nrrd"):
        content = (tmp_path / name).read_bytes().lower()
        assert not [word for word in (b"roe", b"jane", b"4711", b"1970") if word in content]


@pytest.mark.parametrize(("patient", "kept"), [("Li^X", ""), ("Doe^J", "t1 li axial")])
def test_a_description_that_names_the_patient_is_left_out(tmp_path, patient, kept):
    series = dicom.datasets(
        dicom.voxels(), dicom.axial(), PatientName=patient, SeriesDescription="t1 li axial"
    )
    assert read_instance(dicom.save(tmp_path / "s", series) / "IM0000").description == kept
