"""A brain as DICOM Segmentation, read back by others and found valid by dciodvfy."""

import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest

hd = pytest.importorskip("highdicom")
pydicom = pytest.importorskip("pydicom")

from skullstrip._version import __version__  # noqa: E402
from skullstrip.errors import InputError  # noqa: E402
from skullstrip.io.dicom_seg import require_segmentable, write_segmentation  # noqa: E402
from skullstrip.io.images import read_image  # noqa: E402
from Testing import dicom_files as dicom  # noqa: E402
from Testing.programs import run_program  # noqa: E402

PARAMETERS = {"weights_sha256": "5e" * 32, "border_mm": 1.5}
PLACE_MM = 1e-4


def some_probability(shape):
    """Zero outside a box, so that some slices are empty, and anything within."""
    probability = np.zeros(shape, np.float32)
    box = tuple(slice(size // 4, size - size // 3) for size in shape)
    probability[box] = np.random.default_rng(2).random(probability[box].shape)
    return probability


def series(folder, kind, affine):
    array = dicom.voxels()
    made = dicom.datasets(array, affine) if kind == "classic" else [dicom.enhanced(array, affine)]
    return dicom.save(folder, made)


def written(folder, image, brain):
    path = folder / "brain.dcm"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # which may quote the patient's name
        write_segmentation(path, image.header, brain, PARAMETERS)
    return path


def read_back(path):
    """Voxels and affine of the segment as highdicom reads them, on the grid of its frames."""
    volume = hd.seg.segread(path).get_volume(combine_segments=False, rescale_fractional=True)
    return volume.array[..., 0], np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine


@pytest.mark.parametrize("made", [dicom.sagittal, dicom.oblique])
@pytest.mark.parametrize("kind", ["classic", "enhanced"])
@pytest.mark.parametrize("fractional", [False, True])
def test_what_is_read_back_is_the_brain_where_it_was(tmp_path, made, kind, fractional):
    image = read_image(series(tmp_path / "s", kind, made()))
    probability = some_probability(image.array.shape)
    brain = probability if fractional else probability > 0.5
    found, affine = read_back(written(tmp_path, image, brain))
    back = np.zeros(brain.shape)
    # Empty frames at the ends are no part of it, so voxels are looked up by where they are.
    index = np.moveaxis(np.indices(found.shape), 0, -1)
    to_scan = np.linalg.inv(image.affine) @ affine
    places = index @ to_scan[:3, :3].T + to_scan[:3, 3]
    np.testing.assert_allclose(places, np.rint(places), atol=PLACE_MM)
    back[tuple(np.rint(places).astype(int).transpose(3, 0, 1, 2))] = found
    np.testing.assert_allclose(back, brain, atol=0.5 / 255 + 1e-6 if fractional else 0)
    assert back.any()


@pytest.mark.parametrize("kind", ["classic", "enhanced"])
def test_it_says_what_it_is_who_made_it_and_of_which_images(tmp_path, kind):
    folder = series(tmp_path / "s", kind, dicom.axial())
    image = read_image(folder)
    brain = some_probability(image.array.shape) > 0.5
    found = pydicom.dcmread(written(tmp_path, image, brain))
    sources = [pydicom.dcmread(path) for path in folder.iterdir()]
    assert found.StudyInstanceUID == sources[0].StudyInstanceUID
    assert found.FrameOfReferenceUID == sources[0].FrameOfReferenceUID
    assert found.PatientID == sources[0].PatientID
    (segment,) = found.SegmentSequence
    (kind_of,) = segment.SegmentedPropertyTypeCodeSequence
    code = kind_of.CodeValue, kind_of.CodingSchemeDesignator, kind_of.CodeMeaning
    assert code == ("12738006", "SCT", "Brain")
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("SkullStrip", __version__)
    assert f"weights_sha256={'5e' * 32}" in algorithm.AlgorithmParameters
    (referenced,) = found.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == sources[0].SeriesInstanceUID
    named = {each.ReferencedSOPInstanceUID for each in referenced.ReferencedInstanceSequence}
    assert named == {source.SOPInstanceUID for source in sources}
    places = {}
    for source in sources:
        for number, frame in enumerate(source.get("PerFrameFunctionalGroupsSequence", [source])):
            place = frame.get("PlanePositionSequence", [source])[0].ImagePositionPatient
            places[source.SOPInstanceUID, number] = place
    for frame in found.PerFrameFunctionalGroupsSequence:
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        key = source.ReferencedSOPInstanceUID, source.get("ReferencedFrameNumber", 1) - 1
        assert frame.PlanePositionSequence[0].ImagePositionPatient == places[key]
    assert len(found.PerFrameFunctionalGroupsSequence) == brain.any(axis=(0, 1)).sum()


# What a segmentation repeats, and may be empty.
REPEATED = ("PatientName", "PatientBirthDate", "StudyDate", "StudyID")


def without(*keywords):
    made = dicom.datasets(dicom.voxels(), dicom.axial())
    for dataset in made:
        for keyword in keywords:
            delattr(dataset, keyword)
    return made


SOURCES = {
    "classic": lambda folder: series(folder, "classic", dicom.oblique()),
    "tilted": lambda folder: series(folder, "classic", dicom.sheared()),
    "enhanced": lambda folder: series(folder, "enhanced", dicom.sagittal()),
    "anonymous": lambda folder: dicom.save(folder, without(*REPEATED)),
    "a scanner's": lambda folder: dicom.of_a_scanner(folder, "philips_mprage"),
}


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dicom3tools, with dciodvfy, is not here")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("fractional", [False, True])
def test_dciodvfy_finds_no_error(tmp_path, source, fractional):
    image = read_image(SOURCES[source](tmp_path / "s"))
    probability = some_probability(image.array.shape)
    path = written(tmp_path, image, probability if fractional else probability > 0.5)
    done = run_program("dciodvfy", path)
    said = (done.stdout + done.stderr).splitlines()
    assert "Segmentation" in said
    assert [line for line in said if line.startswith("Error")] == []


def test_images_that_nothing_can_refer_to_are_refused(tmp_path):
    image = read_image(dicom.save(tmp_path / "s", without("FrameOfReferenceUID")))
    with pytest.raises(InputError, match="series_3_t1_mprage_sag names no FrameOfReferenceUID"):
        require_segmentable(image.header)
    first, second, *_ = image.header.slices
    two_enhanced = replace(image.header, slices=(first, second, first))
    with pytest.raises(InputError, match=r"refers to one enhanced file, and .* has 2"):
        require_segmentable(two_enhanced)
