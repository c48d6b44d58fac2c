"""Hostile and odd inputs, one a row of the table in docs/robustness.md.

`Testing/integration/test_hostile.py` runs every row through the command; `python -m
Testing.hostile` writes the table into the document again.
"""

import bz2
import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np

from Testing.hostile_files import (
    DIM,
    SCL_INTER,
    SCL_SLOPE,
    SROW,
    VOX_OFFSET,
    afni,
    beside,
    changed,
    content,
    cut,
    dicom,
    dicom_claims,
    dicom_folder,
    dims,
    edited,
    extension_bomb,
    f32,
    flip_bit,
    head,
    image,
    linked,
    many_extensions,
    mat_bomb,
    minc1,
    minc2,
    nrrd,
    nrrd_bomb,
    packed,
    packed_afni,
    philips,
    saved,
    spm,
    whole_pair,
)  # fmt: skip

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "robustness.md"
BEGIN, END = "<!-- rows of Testing/hostile.py -->\n", "<!-- end of rows -->\n"
STRIPPED = "stripped"


class Row(NamedTuple):
    """What the input is, how it is made, and words of the refusal (or `STRIPPED`)."""

    what: str
    make: Callable[[Path], Path]
    outcome: str


READ = "cannot be read as an image"
ROWS = (
    Row("NIfTI cut in half", cut("T1.nii"), "cut short"),
    Row("NIfTI, gzip, cut in half", cut("T1.nii.gz"), READ),
    Row("MGH cut in half", cut("T1.mgh"), "cut short"),
    Row("NRRD cut in half", cut("T1.nrrd"), READ),
    Row("one bit of a gzip file flipped", changed(flip_bit), READ),
    Row("one bit of a NRRD file flipped", changed(flip_bit, "T1.nrrd"), READ),
    Row("gzip with a wrong checksum", changed(lambda d: d[:-8] + bytes(4) + d[-4:]), READ),
    Row("gzip in two members", changed(lambda d: gzip.compress(gzip.decompress(d)[:999])
        + gzip.compress(gzip.decompress(d)[999:])), STRIPPED),
    Row("zeros behind the gzip stream", changed(lambda d: d + bytes(99)), STRIPPED),
    Row("NIfTI pair cut in half", cut("T1.img"), "cut short"),
    Row("empty file", content(b""), "is empty"),
    Row("no file", lambda folder: folder / "gone.nii.gz", "does not exist"),
    Row("folder", lambda folder: folder, "is a folder, not a file"),
    Row("name longer than any file's", lambda folder: folder / ("x" * 300 + ".nii"), "too long"),
    Row("only zeros", image(array=0 * head()[0]), "only zeros"),
    Row("only NaN", image(array=np.nan * head(np.float32)[0]), "no finite value"),
    Row("four slices", image(array=head()[0][:, :, :4]), "only 4 slices"),
    Row("gzip under .nii", packed(gzip.compress, "T1.nii"), STRIPPED),
    Row("plain NIfTI under .nii.gz", packed(bytes, "T1.nii.gz"), STRIPPED),
    Row("NIfTI, bzip2", packed(bz2.compress, "T1.nii.bz2"), STRIPPED),
    Row("AFNI", afni, STRIPPED),
    Row("AFNI, gzip, scaled", packed_afni, STRIPPED),
    Row("MINC 1", minc1, STRIPPED),
    Row("MINC 2", minc2(), STRIPPED),
    Row("PAR/REC", philips, STRIPPED),
    Row("text", content(b"T1 of subject 7\n" * 99), READ),
    Row("DICOM without a picture", content(bytes(128) + b"DICM" + bytes(999)), "without a picture"),
    Row("DICOM of nothing but zeros", dicom_folder, "without a picture"),
    Row("DICOM, gzip", content(gzip.compress(dicom(bytes(999))), "IM1.dcm.gz"),
        "a packed DICOM file"),
    Row("DICOM that claims 65535 x 65535 x 10^6 voxels", dicom_claims, "more than the limit"),
    Row("DICOM with a field of 4 GB", content(
        dicom(b"\x09\0\x10\x10UN\0\0\xfe\xff\xff\xff"), "IM1"), "cannot be read as DICOM"),
    Row("DICOM with a hundred thousand nested sequences", content(dicom(100_000 * struct.pack(
        "<HH2sHIHHI", 0x5200, 0x9229, b"SQ", 0, 2**32 - 1, 0xFFFE, 0xE000, 2**32 - 1)), "IM1"),
        "cannot be read as DICOM"),
    Row("Git LFS pointer", content(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "run 'git lfs pull'"),
    Row("git-annex pointer", content(b"/annex/objects/MD5E-s9--0.nii.gz\n"), "run 'git annex get'"),
    Row("git-annex link", linked(".git/annex/objects/x/T1.nii.gz"), "run 'git annex get'"),
    Row("web page", content(b"\n<!DOCTYPE html><html><body>404"), "is a web page"),
    Row("picture", content(b"\x89PNG\r\n\x1a\n" + bytes(99)), "is a picture"),
    Row("LFS pointer in the place of a pair's voxels",
        beside("T1.img", lambda p: p.write_bytes(b"version https://git-lfs.github.com/spec/v1")),
        "T1.img is a Git LFS pointer"),
    Row("zip archive", content(b"PK\x03\x04" + bytes(99)), "is a packed file"),
    Row("surface (GIFTI)", saved(nibabel.GiftiImage(), "T1.gii"), "holds no image"),
    Row("sizes that ask for 54 TB", edited(dims(30000, 30000, 30000)), "more than the limit"),
    Row("the same, gzip", edited(dims(30000, 30000, 30000), name="T1.nii.gz"), "the limit"),
    Row("sizes of 640 x 640 x 640 in a small file", edited(dims(640, 640, 640)), "cut short"),
    Row("the same, gzip", edited(dims(640, 640, 640), name="T1.nii.gz"), "cut short"),
    Row("gzip bomb: header extension", extension_bomb, "header has more than"),
    Row("gzip bomb: behind NRRD's voxels", nrrd_bomb, STRIPPED),
    Row("gzip bomb: 500 000 header extensions", many_extensions, "parts"),
    Row("SPM's Analyze with its .mat", spm, STRIPPED),
    Row("the same, .mat a bomb", beside("T1.mat", mat_bomb, spm), "header has more than"),
    Row("the same, .mat a named pipe", beside("T1.mat", os.mkfifo, spm), "T1.mat is not a file"),
    Row("sizes of 645 x 645 x 640 in a small .nii.bz2", edited(dims(645, 645, 640),
        source=packed(bz2.compress, "T1.nii.bz2")), "cut short"),
    Row("voxels that begin at byte 10^12", edited((VOX_OFFSET, f32(1e12)), name="T1.nii.gz"), READ),
    Row("voxels of 199 mm: 1 000 000 000 at 1 mm", saved(nibabel.Nifti1Image(
        head()[0][:5, :5, :5], np.diag([199, 199, 199, 1.0]))), "far more than a head"),
    Row("negative sizes", edited(dims(-40, 40, 40)), "slices along one axis"),
    Row("no sizes", edited(dims()), "1 dimensions"),
    Row("nine axes", edited((DIM, struct.pack("<h", 9))), READ),
    Row("negative sizes (MGH)", edited((4, struct.pack(">i", -9)), name="T1.mgh"), "T1.mgh"),
    Row("scl_slope NaN", edited((SCL_SLOPE, f32(np.nan))), STRIPPED),
    Row("scl_slope 0", edited((SCL_SLOPE, f32(0))), STRIPPED),
    Row("scl_slope infinite", edited((SCL_SLOPE, f32(np.inf))), STRIPPED),
    Row("scl_slope 1e38: infinite voxels, with a note", edited((SCL_SLOPE, f32(1e38)),
        (SCL_INTER, f32(0))), STRIPPED),
    Row("scl_inter NaN", edited((SCL_SLOPE, f32(1)), (SCL_INTER, f32(np.nan))), READ),
    Row("affine with NaN", edited((SROW, f32(np.nan))), "not a finite"),
    Row("affine of zeros", edited((SROW, bytes(48))), "singular"),
    Row("affine of 1e30", edited((SROW, f32(1e30))), "no head"),
    Row("64-bit floats up to 1e300", image(array=head(np.float64)[0] * 1e298), "No brain"),
    Row("complex", image(array=head(np.complex64)[0]), "complex"),
    Row("RGB", image(array=np.zeros((9, 9, 9), [(c, "u1") for c in "RGB"])), "colour"),
    Row("big-endian", saved(nibabel.Nifti1Image(*head(), nibabel.Nifti1Header(endianness=">"))),
        STRIPPED),
    Row("NIfTI-2", image(kind=nibabel.Nifti2Image), STRIPPED),
    Row("NIfTI pair", whole_pair, STRIPPED),
    Row("NIfTI pair without its voxels", beside("T1.img", lambda _: None, whole_pair),
        "T1.hdr cannot be read"),
    Row("NIfTI pair whose voxels are a named pipe", beside("T1.img", os.mkfifo, whole_pair),
        "not a file"),
    Row("NIfTI pair whose header is a named pipe", beside("T1.hdr", os.mkfifo), "not a file"),
    Row("AFNI whose voxels are a named pipe", beside("scaled+tlrc.BRIK", os.mkfifo, afni),
        "not a file"),
    Row("MINC 2 whose voxels are /dev/zero", minc2((9, 9, 9), external=[("/dev/zero", 0, 10**9)]),
        "voxels are in other files"),
    Row("MINC 2 whose voxels are missing", minc2((640, 640, 640), chunks=(64, 64, 64)),
        "voxels are missing"),
    Row("4-D, one volume", image(array=head()[0][..., None]), STRIPPED),
    Row("4-D, three volumes", image(array=np.stack([head()[0]] * 3, -1)), "4 dimensions"),
    Row("2-D", image(array=head()[0][20]), "2 dimensions"),
    Row("NRRD that names /dev/zero", nrrd(b"\n\n", b"\ndata file: /dev/zero\n\n"), "own folder"),
    Row("NRRD whose voxels are missing", nrrd(b"T1.raw.gz", b"gone.raw.gz", "T1.nhdr"), "copy it"),
    Row("NRRD whose voxels are a named pipe", beside("T1.raw.gz", os.mkfifo, image("T1.nhdr")),
        "not a file"),
    Row("NRRD in several files", nrrd(b"T1.raw.gz", b"%03d.raw 1 9 1", "T1.nhdr"), "several files"),
    Row("NRRD that skips 10^12 lines", nrrd(b"\n\n", b"\nline skip: 1000000000000\n\n"), READ),
    Row("NRRD in an unknown encoding", nrrd(b"gzip", b"hex"), READ),
    Row("NRRD of a million axes", nrrd(b"sizes: ", b"sizes: " + b"1 " * 999_999), "axes"),
    Row("NRRD with a header of 5 MB", nrrd(b"\n\n", b"\n#" + bytes(5 * 2**20) + b"\n\n"), READ),
    Row("symbolic link", linked("real.nii.gz"), STRIPPED),
    Row("symbolic link to nothing", linked("gone.nii.gz"), "a file that is not there"),
    Row("symbolic link to /dev/zero", linked("/dev/zero"), "not a file"),
    Row("named pipe", beside("T1.nii.gz", os.mkfifo, image()), "not a file"),
    Row("name of other scripts", image("脳 мозг 🧠.nii.gz"), STRIPPED),
    Row("name that is no UTF-8", image("a\udcff.nii.gz"), STRIPPED),
    Row("name of 255 bytes", image("x" * 248 + ".nii.gz"), STRIPPED),
)  # fmt: skip


def table():
    """The rows in Markdown."""
    lines = ["| input | outcome |", "|---|---|"]
    for what, _, outcome in ROWS:
        said = outcome if outcome == STRIPPED else f"refused: “{outcome}”"
        lines.append(f"| {what} | {said} |")
    return "\n".join(lines) + "\n"


def main():
    """Write the table into the document."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}{table()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
