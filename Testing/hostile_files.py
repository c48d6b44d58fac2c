"""How hostile and odd files are made; each function gives one that writes into a folder."""

import bz2
import gzip
import re
import shutil
import struct
from pathlib import Path

import nibabel
import numpy as np
from scipy.io import netcdf_file

from skullstrip.io import images
from Testing.phantoms import make_head

SPACING_MM = 6.0
CARRIED = Path(nibabel.__file__).parent / "tests" / "data"
BOMB_BYTES = 2**27  # of zeros: more than a header may have, 130 kB when compressed
DIM, VOX_OFFSET, SCL_SLOPE, SCL_INTER, SROW = 40, 108, 112, 116, 280  # bytes of a NIfTI-1 header


def head(dtype=np.int16):
    """A small phantom and its affine."""
    phantom = make_head("PIR", (SPACING_MM,) * 3)
    return phantom.array.astype(dtype), phantom.affine


def maker(write):
    """Of what writes into a folder by more arguments, make what takes these and gives a writer."""
    return lambda *arguments, **named: lambda folder: write(folder, *arguments, **named)


@maker
def image(folder, name="T1.nii.gz", array=None, kind=nibabel.Nifti1Image):
    """A sound file of the phantom, or of another array on its grid."""
    voxels, affine = head()
    voxels = voxels if array is None else array
    path = folder / name
    if name.endswith((".nii", ".nii.gz", ".img")):
        nibabel.save(kind(voxels, affine), path)
    else:
        nibabel.save(nibabel.Nifti1Image(voxels, affine), folder / "source.nii")
        source = images.read_image(folder / "source.nii")
        images.write_brain(path, source, np.ones(voxels.shape, bool))
        (folder / "source.nii").unlink()
    return path


@maker
def saved(folder, image, name="T1.nii.gz"):
    """A file of what nibabel holds."""
    nibabel.save(image, folder / name)
    return folder / name


spm = saved(nibabel.Spm2AnalyzeImage(*head()), "T1.img")  # whose affine is in a .mat file


@maker
def changed(folder, change, name="T1.nii.gz", source=None, inside=False):
    """The phantom's file, or another, with its bytes changed, or those that are packed in it."""
    path = (source or image(name))(folder)
    data = path.read_bytes()
    module = {b"\x1f\x8b": gzip, b"BZ": bz2}.get(data[:2]) if inside else None
    content = change(module.decompress(data) if module else data)
    path.write_bytes(module.compress(content, 1) if module else content)
    return path


def edited(*edits, name="T1.nii", source=None):
    """The phantom with bytes of its content written over."""

    def write_over(content):
        for start, field in edits:
            content = content[:start] + field + content[start + len(field) :]
        return content

    return changed(write_over, name, source, inside=True)


@maker
def packed(folder, pack, name):
    """The phantom's bytes, packed or not, under a name that says otherwise."""
    return changed(pack, "T1.nii")(folder).rename(folder / name)


@maker
def content(folder, data, name="T1.nii.gz"):
    """A file of these bytes."""
    (folder / name).write_bytes(data)
    return folder / name


def nrrd(find, replace, name="T1.nrrd"):
    """The phantom as NRRD with words of its header replaced."""
    return changed(lambda data: data.replace(find, replace, 1), name)


def cut(name):
    """The first half of a file."""
    return changed(lambda data: data[: len(data) // 2], name)


@maker
def linked(folder, target):
    """A symbolic link, to the phantom or elsewhere."""
    image("real.nii.gz")(folder)
    (folder / "T1.nii.gz").symlink_to(target)
    return folder / "T1.nii.gz"


def whole_pair(folder):
    """Header and voxels, named by the header."""
    return image("T1.img", kind=nibabel.Nifti1Pair)(folder).with_suffix(".hdr")


def _extended(extensions, voxels_at, level):
    """Extensions behind a header that says where the voxels begin, packed."""
    start, end = VOX_OFFSET, VOX_OFFSET + 4
    return packed(
        lambda data: gzip.compress(
            data[:start] + f32(voxels_at) + data[end:348] + b"\1\0\0\0" + extensions + data[352:],
            level,
        ),
        "T1.nii.gz",
    )


def extension_bomb(folder):
    """130 kB whose header extension inflates to 128 MB, and could to terabytes."""
    bomb = struct.pack("<ii", BOMB_BYTES - 16, 6) + bytes(BOMB_BYTES)
    return _extended(bomb, 2.0**40, level=1)(folder)


def many_extensions(folder):
    """Half a million extensions of a header, 16 bytes each, in a few kB."""
    count = 500_000
    return _extended(struct.pack("<iiq", 16, 6, 0) * count, 352 + 16 * count, level=9)(folder)


def _with_zeros(data):
    header, _, voxels = data.partition(b"\n\n")
    return header + b"\n\n" + gzip.compress(gzip.decompress(voxels) + bytes(BOMB_BYTES), 1)


nrrd_bomb = changed(_with_zeros, "T1.nrrd")  # behind the voxels, in the same stream


def f32(value):
    """A little-endian float32."""
    return struct.pack("<f", value)


def dims(*sizes):
    """The edit of a NIfTI-1 header's sizes."""
    return DIM, struct.pack(f"<{len(sizes) + 1}h", len(sizes), *sizes)


def flip_bit(data):
    """One bit in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]


@maker
def carried(folder, *names):
    """Files that nibabel carries; the first is the image."""
    for name in names:
        shutil.copy(CARRIED / name, folder)
    return folder / names[0]


afni = carried("scaled+tlrc.HEAD", "scaled+tlrc.BRIK")
minc1 = carried("minc1_1_scale.mnc")


def minc1_head(folder):
    """The same in voxels of 6 mm, so that it may be a head."""
    path = minc1(folder)
    with netcdf_file(path, "a", mmap=False) as file:
        for axis in "xyz":
            file.variables[f"{axis}space"].step = 6.0
    return path


def packed_afni(folder):
    """The same with its voxels in gzip."""
    plain = afni(folder).with_suffix(".BRIK")
    (folder / "scaled+tlrc.BRIK.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    return folder / "scaled+tlrc.BRIK.gz"


@maker
def minc2(folder, shape=(), **link):
    """MINC 2, in HDF5; with a shape its voxels lie elsewhere, as h5py is told, or nowhere."""
    path = carried("minc2_1_scale.mnc")(folder)
    if shape:
        import h5py

        with h5py.File(path, "r+") as file:
            place = file["minc-2.0/image/0"]
            fields = dict(place["image"].attrs)
            del place["image"]
            place.create_dataset("image", shape, np.uint8, **link).attrs.update(fields)
    return path


def philips(folder):
    """The first of three volumes that nibabel carries as PAR/REC."""
    path = carried("phantom_EPI_asc_CLEAR_2_1.PAR")(folder)
    text = re.sub(r"(dynamics +: +)3", r"\g<1>1", path.read_text())
    lines = text.splitlines()
    slices = [line for line in lines if line.strip() and line[0] not in ".#"]
    first = [line.split()[2] == "1" for line in slices]
    others = {line for line, is_first in zip(slices, first, strict=True) if not is_first}
    path.write_text("\n".join(line for line in lines if line not in others))
    voxels = np.fromfile((CARRIED / path.name).with_suffix(".REC"), "<u2").reshape(len(slices), -1)
    path.with_suffix(".REC").write_bytes(voxels[first].tobytes())
    return path


@maker
def beside(folder, name, make_other, source=None):
    """A sound pair with something else in the place of one of its files, or beside them."""
    path = (source or image("T1.img", kind=nibabel.Nifti1Pair))(folder)
    (folder / name).unlink(missing_ok=True)
    make_other(folder / name)
    return path


def mat_bomb(path):
    """130 kB that unpack to 128 MB."""
    from scipy.io import savemat

    savemat(path, {"M": np.zeros(BOMB_BYTES // 8)}, do_compression=True)


def dicom(fields):
    """A file of explicit little-endian fields."""
    syntax = b"1.2.840.10008.1.2.1\0"
    meta = b"\2\0\x10\0UI" + struct.pack("<H", len(syntax)) + syntax
    length = b"\2\0\0\0UL\4\0" + struct.pack("<I", len(meta))
    return bytes(128) + b"DICM" + length + meta + fields


def dicom_claims(folder):
    """An enhanced header that has a million slices, of which the first ten say where they lie."""
    from Testing.dicom_files import axial, enhanced, save, voxels

    whole = enhanced(voxels((9, 9, 10)), axial())
    whole.Rows = whole.Columns = 65535
    whole.NumberOfFrames = 10**6
    return save(folder / "series", [whole])


def dicom_folder(folder):
    """What a scanner sends."""
    (folder / "series").mkdir()
    (folder / "series" / "IM0001").write_bytes(bytes(128) + b"DICM" + bytes(99))
    return folder / "series"
