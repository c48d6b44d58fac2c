"""Series of DICOM files to read in tests, classic and enhanced, of a scan with a known affine."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
PATIENT = "Roe^Jane"


def axial(steps=(0.9, 1.1, 2.5), origin=(80.0, 70.0, -60.0)):
    """Affine of slices from foot to head, the first row in front."""
    affine = np.diag([-steps[0], -steps[1], steps[2], 1.0])
    affine[:3, 3] = origin
    return affine


def sagittal():
    """Columns run to the back, rows to the foot, slices to the left."""
    affine = np.zeros((4, 4))
    affine[[1, 2, 0, 3], [0, 1, 2, 3]] = (-0.9, -1.1, -1.7, 1)
    affine[:3, 3] = (70.0, 90.0, 95.0)
    return affine


def oblique():
    """Turned by 25 degrees about an axis between all three."""
    from scipy.spatial.transform import Rotation

    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_rotvec(np.radians([14.0, -11.0, 18.0])).as_matrix()
    return turn @ axial()


def sheared():
    """Axial slices of a tilted gantry."""
    affine = axial()
    affine[1, 2] = 0.6
    return affine


def voxels(shape=(24, 20, 12), dtype=np.int16):
    return np.random.default_rng(7).integers(0, 1000, shape).astype(dtype)


def datasets(array, affine, **changes):
    """One dataset a slice; `array` has columns, rows, slices, `affine` leads to RAS mm."""
    lps = LPS @ affine
    study, series, frame_of_reference = (generate_uid() for _ in range(3))
    made = []
    for number in range(array.shape[2]):
        slice_ = _described(array, study, frame_of_reference)
        slice_.SOPClassUID = MRImageStorage
        slice_.SOPInstanceUID = generate_uid()
        slice_.SeriesInstanceUID = series
        slice_.InstanceNumber = number + 1
        slice_.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        _placed(slice_, slice_, slice_, lps, number)
        slice_.PixelData = np.ascontiguousarray(array[:, :, number].T).tobytes()
        for keyword, value in changes.items():
            setattr(slice_, keyword, value)
        made.append(slice_)
    return made


def enhanced(array, affine, scaling=(1.0, 0.0)):
    """One multi-frame dataset."""
    lps = LPS @ affine
    whole = _described(array, generate_uid(), generate_uid())
    whole.SOPClassUID = EnhancedMRImageStorage
    whole.SOPInstanceUID, whole.SeriesInstanceUID = generate_uid(), generate_uid()
    whole.InstanceNumber = 1
    whole.ImageType = ["ORIGINAL", "PRIMARY", "T1", "NONE"]
    whole.AcquisitionContrast = "T1"
    whole.NumberOfFrames = array.shape[2]
    organization = Dataset()
    organization.DimensionOrganizationUID = generate_uid()
    whole.DimensionOrganizationSequence = Sequence([organization])
    index = Dataset()
    index.DimensionOrganizationUID = organization.DimensionOrganizationUID
    index.DimensionIndexPointer = 0x00209057
    index.FunctionalGroupPointer = 0x00209111
    whole.DimensionIndexSequence = Sequence([index])
    shared, frames = Dataset(), []
    for number in range(array.shape[2]):
        groups, position, content = Dataset(), Dataset(), Dataset()
        orientation, measures = Dataset(), Dataset()
        _placed(position, orientation, measures, lps, number)
        content.StackID, content.InStackPositionNumber = "1", number + 1
        content.DimensionIndexValues = [number + 1]
        groups.FrameContentSequence = Sequence([content])
        groups.PlanePositionSequence = Sequence([position])
        frames.append(groups)
    shared.PlaneOrientationSequence = Sequence([orientation])
    shared.PixelMeasuresSequence = Sequence([measures])
    transformation = Dataset()
    transformation.RescaleSlope, transformation.RescaleIntercept = scaling
    transformation.RescaleType = "US"
    shared.PixelValueTransformationSequence = Sequence([transformation])
    whole.SharedFunctionalGroupsSequence = Sequence([shared])
    whole.PerFrameFunctionalGroupsSequence = Sequence(frames)
    whole.PixelData = np.ascontiguousarray(array.transpose(2, 1, 0)).tobytes()
    return whole


def of_a_scanner(folder, name):
    """One of the real files that nibabel carries, unpacked into a folder of its own."""
    packed = Path(nibabel.__file__).parent / "nicom" / "tests" / "data" / f"{name}.dcm.gz"
    if not packed.is_file():
        pytest.skip(f"this nibabel carries no {packed.name}")
    folder.mkdir()
    (folder / "image").write_bytes(gzip.decompress(packed.read_bytes()))
    return folder


def save(folder, made, names="IM{:04}"):
    """Write datasets into a folder, in an order that is not the slices'; returns the folder."""
    folder.mkdir(exist_ok=True, parents=True)
    for number, dataset in enumerate(made):
        dataset.save_as(folder / names.format(7 * number % 1009), enforce_file_format=True)
    return folder


def _described(array, study, frame_of_reference):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PatientName, dataset.PatientID = PATIENT, "4711-XY"
    dataset.PatientBirthDate, dataset.PatientSex = "19700101", "F"
    dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = study, frame_of_reference
    dataset.StudyDate, dataset.StudyTime = "20240102", "101112"
    dataset.SeriesDate, dataset.SeriesTime = "20240102", "101112"
    dataset.ContentDate, dataset.ContentTime = "20240102", "101112"
    dataset.AccessionNumber = dataset.StudyID = dataset.ReferringPhysicianName = ""
    dataset.PositionReferenceIndicator = ""
    dataset.Modality, dataset.Manufacturer = "MR", "SkullStrip's tests"
    dataset.SeriesNumber, dataset.SeriesDescription = 3, "t1 mprage/sag"
    dataset.ProtocolName = "t1"
    dataset.RepetitionTime, dataset.EchoTime, dataset.InversionTime = 2300, 2.98, 900
    dataset.PatientPosition = "HFS"
    dataset.Columns, dataset.Rows = array.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    bits = 8 * array.dtype.itemsize
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, int(array.dtype.kind == "i")
    return dataset


def _placed(position, orientation, measures, lps, number):
    axes = lps[:3, :3] / np.linalg.norm(lps[:3, :3], axis=0)
    steps = np.linalg.norm(lps[:3, :3], axis=0)
    place = lps @ [0, 0, number, 1]
    position.ImagePositionPatient = [f"{value:.8f}" for value in place[:3]]
    directions = [*axes[:, 0], *axes[:, 1]]
    orientation.ImageOrientationPatient = [f"{value:.8f}" for value in directions]
    measures.PixelSpacing = [f"{steps[1]:.8f}", f"{steps[0]:.8f}"]
    measures.SliceThickness = f"{steps[2]:.8f}"
