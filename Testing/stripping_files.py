"""Where files go in, and which come out, for the tests of `strip_file`."""

import nibabel

ALL_OUTPUTS = {
    "brain": "brain.nii.gz",
    "mask": "mask.nii.gz",
    "probability": "p.nii.gz",
    "confidence": "c.nii.gz",
    "head": "head.nii.gz",
    "surface": "brain.stl",
    "qc": "qc.png",
    "json": "out.json",
}


def save(path, array, affine):
    nibabel.save(nibabel.Nifti1Image(array, affine, dtype=array.dtype), path)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def all_outputs(folder):
    return {name: folder / file for name, file in ALL_OUTPUTS.items()}
