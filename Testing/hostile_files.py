"""How the files of `hostile.py` are made; each function gives one that writes into a folder."""

import bz2
import gzip
import struct
from pathlib import Path

import nibabel
import numpy as np

from skullstrip.io import images
from Testing.phantoms import make_head

SPACING_MM = 6.0
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
    if voxels.dtype == np.int64:
        nibabel.save(kind(voxels, affine, dtype=np.int64), path)
    elif name.endswith((".nii", ".nii.gz", ".img")):
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
def edited(folder, *edits, name="T1.nii", source=None):
    """The phantom with bytes of its (uncompressed) content written over."""
    path = (source or image(name))(folder)
    data = path.read_bytes()
    module = {b"\x1f\x8b": gzip, b"BZ": bz2}.get(data[:2])
    content = bytearray(module.decompress(data) if module else data)
    for start, field in edits:
        content[start : start + len(field)] = field
    path.write_bytes(module.compress(bytes(content), 1) if module else bytes(content))
    return path


@maker
def changed(folder, change, name="T1.nii.gz"):
    """The phantom's file with its bytes changed as they lie on disk."""
    path = image(name)(folder)
    path.write_bytes(change(path.read_bytes()))
    return path


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


def extension_bomb(folder):
    """130 kB whose header extension inflates to 128 MB, and could to terabytes."""
    path = image("T1.nii")(folder)
    data = bytearray(path.read_bytes()[:348])
    data[VOX_OFFSET : VOX_OFFSET + 4] = struct.pack("<f", 2.0**40)
    extension = b"\1\0\0\0" + struct.pack("<ii", BOMB_BYTES - 16, 6)
    path.unlink()
    path = folder / "T1.nii.gz"
    path.write_bytes(gzip.compress(bytes(data) + extension + bytes(BOMB_BYTES), 1))
    return path


def nrrd_bomb(folder):
    """Voxels as the header says, and 128 MB of zeros behind them in the same stream."""
    path = image("T1.nrrd")(folder)
    header, _, packed = path.read_bytes().partition(b"\n\n")
    voxels = gzip.decompress(packed)
    path.write_bytes(header + b"\n\n" + gzip.compress(voxels + bytes(BOMB_BYTES), 1))
    return path


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
def afni(folder, name="T1+orig.HEAD", factor=0.0):
    """The phantom as AFNI writes it; the voxels are packed where the name says so."""
    voxels, affine = head()
    place = (np.diag([-1, -1, 1, 1]) @ affine)[:3]
    fields = {
        ("string", "BYTEORDER_STRING"): "LSB_FIRST",
        ("string", "TYPESTRING"): "3DIM_HEAD_ANAT",
        ("integer", "DATASET_RANK"): [3, 1],
        ("integer", "DATASET_DIMENSIONS"): voxels.shape,
        ("integer", "BRICK_TYPES"): [1],
        ("integer", "SCENE_DATA"): [0, 2, 0],
        ("float", "BRICK_FLOAT_FACS"): [factor],
        ("float", "DELTA"): np.linalg.norm(place[:, :3], axis=0),
        ("float", "IJK_TO_DICOM_REAL"): place.ravel(),
    }
    text = ""
    for (kind, field), value in fields.items():
        count = len(value) + (kind == "string")
        shown = f"'{value}~" if kind == "string" else " " + " ".join(map(str, value))
        text += f"type = {kind}-attribute\nname = {field}\ncount = {count}\n{shown}\n\n"
    (folder / "T1+orig.HEAD").write_text(text.rstrip("\n"))
    raw = voxels.astype("<i2").tobytes("F")
    packed = name.endswith(".gz")
    brick = folder / ("T1+orig.BRIK.gz" if packed else "T1+orig.BRIK")
    brick.write_bytes(gzip.compress(raw) if packed else raw)
    return folder / name


def _minc_dimensions(affine):
    fields = {"step": float(SPACING_MM), "spacing": np.bytes_("regular__")}
    axes = {"zspace": 2, "yspace": 1, "xspace": 0}
    return {name: fields | {"start": float(affine[axis, 3])} for name, axis in axes.items()}


def minc1(folder):
    """The phantom as MINC 1, whose slices may be scaled each in its own way."""
    from nibabel.externals.netcdf import netcdf_file

    phantom = make_head("SAR", (SPACING_MM,) * 3)
    voxels = phantom.array.astype(np.int16)
    with netcdf_file(str(folder / "T1.mnc"), "w") as file:
        for size, (name, fields) in zip(
            voxels.shape, _minc_dimensions(phantom.affine).items(), strict=True
        ):
            file.createDimension(name, size)
            dimension = file.createVariable(name, "i", ())
            dimension.data[...] = 0
            for field, value in fields.items():
                setattr(dimension, field, bytes(value) if isinstance(value, bytes) else value)
        stored = file.createVariable("image", "h", ("zspace", "yspace", "xspace"))
        stored.signtype, stored.valid_range = b"signed__", np.array([0.0, 200.0])
        stored[:] = voxels
        for name, value in (("image-min", 0.0), ("image-max", 200.0)):
            file.createVariable(name, "d", ("zspace",))[:] = value
    return folder / "T1.mnc"


@maker
def minc2(folder, **link):
    """The phantom as MINC 2, in HDF5; `external` puts its voxels into another file."""
    import h5py

    phantom = make_head("SAR", (SPACING_MM,) * 3)
    voxels = phantom.array.astype(np.int16)
    with h5py.File(folder / "T1.mnc", "w") as file:
        for name, fields in _minc_dimensions(phantom.affine).items():
            file.create_dataset(f"minc-2.0/dimensions/{name}", data=0).attrs.update(fields)
        place = file.create_group("minc-2.0/image/0")
        stored = place.create_dataset("image", voxels.shape, np.int16, **link)
        if not link:
            stored[...] = voxels
        stored.attrs["dimorder"] = np.bytes_("zspace,yspace,xspace")
        stored.attrs["valid_range"] = [0.0, 200.0]
        for name, value in (("image-min", 0.0), ("image-max", 200.0)):
            place.create_dataset(name, data=value)
    return folder / "T1.mnc"


def philips(folder):
    """The phantom as PAR/REC, under the header of a scan that nibabel brings along."""
    template = Path(nibabel.__file__).parent / "tests/data/phantom_EPI_asc_CLEAR_2_1.PAR"
    voxels = make_head("LPS", (SPACING_MM,) * 3).array.astype("<u2")
    columns, rows, slices = voxels.shape
    head_lines, lines = [], []
    for line in template.read_text().splitlines():
        if line.startswith((".", "#")):
            for field, value in (
                ("Max. number of slices/locations", f"{slices}"),
                ("Max. number of dynamics", "1"),
                ("Angulation midslice", "0 0 0"),
                ("Off Centre midslice", "0 0 0"),
                ("FOV (ap,fh,rl)", " ".join(str(n * SPACING_MM) for n in (rows, slices, columns))),
            ):
                if field in line:
                    line = f"{line.partition(':')[0]}:   {value}"  # noqa: PLW2901
            head_lines.append(line)
        elif line.strip() and not lines:
            fields = line.split()
            fields[9:11], fields[11:13] = [str(columns), str(rows)], ["0", "1"]
            fields[16:22], fields[22:24] = ["0"] * 6, [str(SPACING_MM), "0"]
            fields[28:30] = [str(SPACING_MM)] * 2
            for number in range(slices):
                fields[0], fields[6] = str(number + 1), str(number)
                lines.append(" ".join(fields))
    (folder / "T1.PAR").write_text("\n".join([*head_lines, "", *lines, ""]))
    (folder / "T1.REC").write_bytes(voxels.tobytes("F"))
    return folder / "T1.PAR"


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


def many_extensions(folder):
    """Half a million extensions of a header, 16 bytes each, in a few kB."""
    path = image("T1.nii")(folder)
    data = path.read_bytes()
    count = 500_000
    edited = bytearray(data[:348])
    edited[VOX_OFFSET : VOX_OFFSET + 4] = f32(352 + 16 * count)
    path.unlink()
    extensions = b"\1\0\0\0" + struct.pack("<iiq", 16, 6, 0) * count
    path = folder / "T1.nii.gz"
    path.write_bytes(gzip.compress(bytes(edited) + extensions + data[352:], 9))
    return path


@maker
def packed(folder, pack, name):
    """The phantom's bytes, packed or not, under a name that says otherwise."""
    path = image("T1.nii")(folder)
    data = path.read_bytes()
    path.unlink()
    (folder / name).write_bytes(pack(data))
    return folder / name


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
