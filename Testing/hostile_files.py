"""How the files of `hostile.py` are made; each function gives one that writes into a folder."""

from __future__ import annotations

import gzip
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np

from skullstrip.io import images
from Testing.phantoms import make_head

SPACING_MM = 6.0
BOMB_BYTES = 2**27  # of zeros: more than a header may have, 130 kB when compressed
DIM, VOX_OFFSET, SCL_SLOPE, SCL_INTER, SROW = 40, 108, 112, 116, 280  # bytes of a NIfTI-1 header


def head(dtype: type = np.int16) -> tuple[np.ndarray, np.ndarray]:
    """A small phantom and its affine."""
    phantom = make_head("PIR", (SPACING_MM,) * 3)
    return phantom.array.astype(dtype), phantom.affine


def image(
    name: str = "T1.nii.gz", array: np.ndarray | None = None, kind: type = nibabel.Nifti1Image
) -> Callable[[Path], Path]:
    """A sound file of the phantom, or of another array on its grid."""

    def make(folder: Path) -> Path:
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

    return make


def edited(
    *edits: tuple[int, bytes], name: str = "T1.nii", source: Callable[[Path], Path] | None = None
) -> Callable[[Path], Path]:
    """The phantom with bytes of its (uncompressed) content written over."""

    def make(folder: Path) -> Path:
        path = (source or image(name))(folder)
        packed = path.read_bytes()[:2] == b"\x1f\x8b"
        content = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
        for start, field in edits:
            content[start : start + len(field)] = field
        path.write_bytes(gzip.compress(bytes(content), 1) if packed else bytes(content))
        return path

    return make


def changed(change: Callable[[bytes], bytes], name: str = "T1.nii.gz") -> Callable[[Path], Path]:
    """The phantom's file with its bytes changed as they lie on disk."""

    def make(folder: Path) -> Path:
        path = image(name)(folder)
        path.write_bytes(change(path.read_bytes()))
        return path

    return make


def content(data: bytes, name: str = "T1.nii.gz") -> Callable[[Path], Path]:
    """A file of these bytes."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def nrrd(find: bytes, replace: bytes, name: str = "T1.nrrd") -> Callable[[Path], Path]:
    """The phantom as NRRD with words of its header replaced."""
    return changed(lambda data: data.replace(find, replace, 1), name)


def cut(name: str) -> Callable[[Path], Path]:
    """The first half of a file."""
    return changed(lambda data: data[: len(data) // 2], name)


def linked(target: str) -> Callable[[Path], Path]:
    """A symbolic link, to the phantom or elsewhere."""

    def make(folder: Path) -> Path:
        image("real.nii.gz")(folder)
        (folder / "T1.nii.gz").symlink_to(target)
        return folder / "T1.nii.gz"

    return make


def pipe(folder: Path) -> Path:
    """A named pipe that nobody writes to."""
    os.mkfifo(folder / "T1.nii.gz")
    return folder / "T1.nii.gz"


def half_pair(folder: Path) -> Path:
    """A header whose voxels were not copied."""
    path = image("T1.img")(folder)
    path.unlink()
    return path.with_suffix(".hdr")


def whole_pair(folder: Path) -> Path:
    """Header and voxels, named by the header."""
    return image("T1.img", kind=nibabel.Nifti1Pair)(folder).with_suffix(".hdr")


def extension_bomb(folder: Path) -> Path:
    """130 kB whose header extension inflates to 128 MB, and could to terabytes."""
    path = image("T1.nii")(folder)
    data = bytearray(path.read_bytes()[:348])
    data[VOX_OFFSET : VOX_OFFSET + 4] = struct.pack("<f", 2.0**40)
    extension = b"\1\0\0\0" + struct.pack("<ii", BOMB_BYTES - 16, 6)
    path.unlink()
    path = folder / "T1.nii.gz"
    path.write_bytes(gzip.compress(bytes(data) + extension + bytes(BOMB_BYTES), 1))
    return path


def nrrd_bomb(folder: Path) -> Path:
    """Voxels as the header says, and 128 MB of zeros behind them in the same stream."""
    path = image("T1.nrrd")(folder)
    header, _, packed = path.read_bytes().partition(b"\n\n")
    voxels = gzip.decompress(packed)
    path.write_bytes(header + b"\n\n" + gzip.compress(voxels + bytes(BOMB_BYTES), 1))
    return path


def giant_voxels(folder: Path) -> Path:
    """Six hundred bytes whose field of view is a metre each way."""
    array = np.random.default_rng(0).integers(0, 999, (5, 5, 5)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([199, 199, 199, 1.0])), folder / "T1.nii.gz")
    return folder / "T1.nii.gz"


def zip_file(folder: Path) -> Path:
    """An archive that somebody renamed."""
    with zipfile.ZipFile(folder / "T1.nii.gz", "w") as file:
        file.writestr("T1.nii", "voxels")
    return folder / "T1.nii.gz"


def surface(folder: Path) -> Path:
    """A format that nibabel reads and that holds no voxels."""
    nibabel.save(nibabel.GiftiImage(), folder / "T1.gii")
    return folder / "T1.gii"


def swapped(folder: Path) -> Path:
    """The phantom in the other byte order."""
    array, affine = head()
    header = nibabel.Nifti1Header(endianness=">")
    nibabel.save(nibabel.Nifti1Image(array, affine, header), folder / "T1.nii")
    return folder / "T1.nii"


def coloured() -> np.ndarray:
    """Red, green and blue in every voxel."""
    return np.zeros(head()[0].shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])


def f32(value: float) -> bytes:
    """A little-endian float32."""
    return struct.pack("<f", value)


def dims(*sizes: int) -> tuple[int, bytes]:
    """The edit of a NIfTI-1 header's sizes."""
    return DIM, struct.pack(f"<{len(sizes) + 1}h", len(sizes), *sizes)


def flip_bit(data: bytes) -> bytes:
    """One bit in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]
