"""Image files to read in tests, and what was written of them."""

import nibabel
import numpy as np

from Testing.phantoms import make_head

SHAPE = (12, 10, 8)
OBLIQUE = np.array(
    [[-0.9, 0.1, 0.3, 31.7], [0.2, -0.1, 2.9, -12.1], [0.1, 1.1, 0.2, 3.3], [0, 0, 0, 1]]
)
SUFFIXES = [".nii", ".nii.gz", ".img", ".mgz", ".mgh", ".nrrd", ".nhdr"]
AFFINE_TOLERANCE_MM = 1e-4  # float32 headers, over other formats than the input's


def voxels(dtype=np.int16, shape=SHAPE):
    return (1000 * np.random.default_rng(3).random(shape)).astype(dtype)


def some_mask():
    mask = np.zeros(SHAPE, bool)
    mask[3:9, 2:8, 2:6] = True
    return mask


def nifti(path, stored, *, slope=1.0, inter=0.0, affine=OBLIQUE, image_class=nibabel.Nifti1Image):
    """A file with exactly these stored voxels, sform and qform that differ, and codes 3 and 1."""
    header = image_class.header_class()
    header.set_data_dtype(stored.dtype)
    image = image_class(stored, affine, header)
    image.set_sform(affine, 3)
    image.set_qform(np.diag([1.0, 2.0, 3.0, 1.0]), 1)
    image.header.set_slope_inter(slope, inter)
    image.header["descrip"] = b"kept"
    nibabel.save(image, path)
    return path


def stored_in(path):
    """Voxels as they lie in a NIfTI or MGH file, with slope and intercept."""
    image = nibabel.load(path)
    return np.asarray(image.dataobj.get_unscaled()), image.dataobj.slope, image.dataobj.inter


def save(path, array, affine=None):
    """A NIfTI file with only an sform; returns its path."""
    affine = np.diag([3.0, 3.0, 3.0, 1.0]) if affine is None else affine
    image = nibabel.Nifti1Image(array, None, dtype=array.dtype)
    image.header.set_sform(affine, 1)
    image.header["pixdim"][1:4] = np.linalg.norm(affine[:3, :3], axis=0)
    nibabel.save(image, path)
    return path


def save_head(path, orientation="RAS", spacing_mm=(4.0, 4.0, 4.0), **grid):
    """The phantom as a NIfTI file of 16-bit integers, its folder made where there is none."""
    head = make_head(orientation, spacing_mm, **grid)
    path.parent.mkdir(parents=True, exist_ok=True)
    return save(path, head.array.astype(np.int16), head.affine)


def save_heads(folder, number):
    """As many scans, head00.nii.gz and so on, in a folder; returns it."""
    for index in range(number):
        save_head(folder / f"head{index:02}.nii.gz")
    return folder


def names(folder):
    """What lies in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def contents(folder):
    """What lies in a folder, and what each plain file holds."""
    return {
        path.name: path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.iterdir()
    }


def assert_one_sentence(error):
    """What the command printed on stderr is one sentence for its user."""
    assert error.startswith("skullstrip: ")
    assert error.count("\n") == 1
    assert error.endswith((".\n", "'.\n", "?\n"))
    assert "Traceback" not in error
