"""Hostile and odd inputs through the command, which strips each or refuses it in one sentence.

Sound files of every format are in test_fuzz.py. The network is `ThresholdEngine`, a stand-in.
"""

import bz2
import gzip
import os
import resource
import shutil
import signal
import struct

import nibabel
import numpy as np
import pytest

from skullstrip.cli.batch import bids_main
from skullstrip.cli.main import main
from skullstrip.network.manifest import default_manifest_path

from Testing.hostile_files import (  # isort: skip
    DIM, SCL_INTER, SCL_SLOPE, SROW, VOX_OFFSET, afni, beside, changed, content, cut, dicom,
    dicom_claims, dicom_folder, dims, edited, extension_bomb, f32, flip_bit, head, image, linked,
    many_extensions, mat_bomb, minc2, nrrd, nrrd_bomb, packed, saved, spm,
    whole_pair,
)  # fmt: skip
from Testing.image_files import assert_one_sentence, contents, names

MEMORY_KB = 120 * 1024  # a bomb of 128 MB would take more
STRIPPED = "stripped"
READ = "; check its ending, or copy it again."
# What the input is, how it is made, and words of the refusal.
ROWS = (
    ("NIfTI cut in half", cut("T1.nii"), "cut short"),
    ("NIfTI, gzip, cut in half", cut("T1.nii.gz"), READ),
    ("MGH cut in half", cut("T1.mgh"), "cut short"),
    ("NRRD cut in half", cut("T1.nrrd"), READ),
    ("one bit of a gzip file flipped", changed(flip_bit), READ),
    ("one bit of a NRRD file flipped", changed(flip_bit, "T1.nrrd"), READ),
    ("gzip with a wrong checksum", changed(lambda d: d[:-8] + bytes(4) + d[-4:]), READ),
    ("gzip in two members", changed(lambda d: gzip.compress(gzip.decompress(d)[:999])
        + gzip.compress(gzip.decompress(d)[999:])), STRIPPED),
    ("zeros behind the gzip stream", changed(lambda d: d + bytes(99)), STRIPPED),
    ("NIfTI pair cut in half", cut("T1.img"), "cut short"),
    ("empty file", content(b""), "is empty"),
    ("no file", lambda folder: folder / "gone.nii.gz", "does not exist"),
    ("folder", lambda folder: folder, "is a folder, not a file"),
    ("name longer than any file's", lambda folder: folder / ("x" * 300 + ".nii"), "too long"),
    ("only zeros", image(array=0 * head()[0]), "only zeros"),
    ("only NaN", image(array=np.nan * head(np.float32)[0]), "no finite value"),
    ("four slices", image(array=head()[0][:, :, :4]), "only 4 slices"),
    ("gzip under .nii", packed(gzip.compress, "T1.nii"), STRIPPED),
    ("plain NIfTI under .nii.gz", packed(bytes, "T1.nii.gz"), STRIPPED),
    ("NIfTI, bzip2", packed(bz2.compress, "T1.nii.bz2"), STRIPPED),
    ("text", content(b"T1 of subject 7\n" * 99), READ),
    ("DICOM without a picture", content(bytes(128) + b"DICM" + bytes(999)), "without a picture"),
    ("DICOM of nothing but zeros", dicom_folder, "without a picture"),
    ("DICOM, gzip", content(gzip.compress(dicom(bytes(999))), "IM1.dcm.gz"),
        "a packed DICOM file"),
    ("DICOM that claims 65535 x 65535 x 10^6 voxels", dicom_claims, "more than the limit"),
    ("DICOM with a field of 4 GB", content(
        dicom(b"\x09\0\x10\x10UN\0\0\xfe\xff\xff\xff"), "IM1"), "cannot be read as DICOM"),
    ("DICOM with a hundred thousand nested sequences", content(dicom(100_000 * struct.pack(
        "<HH2sHIHHI", 0x5200, 0x9229, b"SQ", 0, 2**32 - 1, 0xFFFE, 0xE000, 2**32 - 1)), "IM1"),
        "cannot be read as DICOM"),
    ("Git LFS pointer", content(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "run 'git lfs pull'"),
    ("git-annex pointer", content(b"/annex/objects/MD5E-s9--0.nii.gz\n"), "run 'git annex get'"),
    ("git-annex link", linked(".git/annex/objects/x/T1.nii.gz"), "run 'git annex get'"),
    ("web page", content(b"\n<!DOCTYPE html><html><body>404"), "is a web page"),
    ("picture", content(b"\x89PNG\r\n\x1a\n" + bytes(99)), "is a picture"),
    ("LFS pointer in the place of a pair's voxels",
        beside("T1.img", lambda p: p.write_bytes(b"version https://git-lfs.github.com/spec/v1")),
        "T1.img is a Git LFS pointer"),
    ("zip archive", content(b"PK\x03\x04" + bytes(99)), "is a packed file"),
    ("surface (GIFTI)", saved(nibabel.GiftiImage(), "T1.gii"), "holds no image"),
    ("sizes that ask for 54 TB", edited(dims(30000, 30000, 30000)), "more than the limit"),
    ("the same, gzip", edited(dims(30000, 30000, 30000), name="T1.nii.gz"), "the limit"),
    ("sizes of 640 x 640 x 640 in a small file", edited(dims(640, 640, 640)), "cut short"),
    ("the same, gzip", edited(dims(640, 640, 640), name="T1.nii.gz"), "cut short"),
    ("gzip bomb: header extension", extension_bomb, "header has more than"),
    ("gzip bomb: behind NRRD's voxels", nrrd_bomb, STRIPPED),
    ("gzip bomb: 500 000 header extensions", many_extensions, "parts"),
    ("SPM's Analyze, its .mat a bomb", beside("T1.mat", mat_bomb, spm), "header has more than"),
    ("the same, .mat a named pipe", beside("T1.mat", os.mkfifo, spm), "T1.mat is not a file"),
    ("sizes of 645 x 645 x 640 in a small .nii.bz2", edited(dims(645, 645, 640),
        source=packed(bz2.compress, "T1.nii.bz2")), "cut short"),
    ("voxels that begin at byte 10^12", edited((VOX_OFFSET, f32(1e12)), name="T1.nii.gz"), READ),
    ("voxels of 199 mm: 1 000 000 000 at 1 mm", saved(nibabel.Nifti1Image(
        head()[0][:5, :5, :5], np.diag([199, 199, 199, 1.0]))), "far more than a head"),
    ("negative sizes", edited(dims(-40, 40, 40)), "slices along one axis"),
    ("no sizes", edited(dims()), "1 dimensions"),
    ("nine axes", edited((DIM, struct.pack("<h", 9))), READ),
    ("negative sizes (MGH)", edited((4, struct.pack(">i", -9)), name="T1.mgh"), "T1.mgh"),
    ("scl_slope NaN", edited((SCL_SLOPE, f32(np.nan))), STRIPPED),
    ("scl_slope 0", edited((SCL_SLOPE, f32(0))), STRIPPED),
    ("scl_slope infinite", edited((SCL_SLOPE, f32(np.inf))), STRIPPED),
    ("scl_slope 1e38: infinite voxels, with a note", edited((SCL_SLOPE, f32(1e38)),
        (SCL_INTER, f32(0))), STRIPPED),
    ("scl_inter NaN", edited((SCL_SLOPE, f32(1)), (SCL_INTER, f32(np.nan))), READ),
    ("affine with NaN", edited((SROW, f32(np.nan))), "not a finite"),
    ("affine of zeros", edited((SROW, bytes(48))), "singular"),
    ("affine of 1e30", edited((SROW, f32(1e30))), "no head"),
    ("64-bit floats up to 1e300", image(array=head(np.float64)[0] * 1e298), "No brain"),
    ("complex", image(array=head(np.complex64)[0]), "complex"),
    ("RGB", image(array=np.zeros((9, 9, 9), [(c, "u1") for c in "RGB"])), "colour"),
    ("NIfTI pair", whole_pair, STRIPPED),
    ("NIfTI pair without its voxels", beside("T1.img", lambda _: None, whole_pair),
        "T1.hdr cannot be read"),
    ("NIfTI pair whose voxels are a named pipe", beside("T1.img", os.mkfifo, whole_pair),
        "not a file"),
    ("NIfTI pair whose header is a named pipe", beside("T1.hdr", os.mkfifo), "not a file"),
    ("AFNI whose voxels are a named pipe", beside("scaled+tlrc.BRIK", os.mkfifo, afni),
        "not a file"),
    ("MINC 2 whose voxels are /dev/zero", minc2((9, 9, 9), external=[("/dev/zero", 0, 10**9)]),
        "voxels are in other files"),
    ("MINC 2 whose voxels are missing", minc2((640, 640, 640), chunks=(64, 64, 64)),
        "voxels are missing"),
    ("4-D, one volume", image(array=head()[0][..., None]), STRIPPED),
    ("4-D, three volumes", image(array=np.stack([head()[0]] * 3, -1)),
        "T1.nii.gz has 4 dimensions"),
    ("2-D", image(array=head()[0][20]), "2 dimensions"),
    ("NRRD that names /dev/zero", nrrd(b"\n\n", b"\ndata file: /dev/zero\n\n"), "own folder"),
    ("NRRD whose voxels are missing", nrrd(b"T1.raw.gz", b"gone.raw.gz", "T1.nhdr"), "copy it"),
    ("NRRD whose voxels are a named pipe", beside("T1.raw.gz", os.mkfifo, image("T1.nhdr")),
        "not a file"),
    ("NRRD in several files", nrrd(b"T1.raw.gz", b"%03d.raw 1 9 1", "T1.nhdr"), "several files"),
    ("NRRD that skips 10^12 lines", nrrd(b"\n\n", b"\nline skip: 1000000000000\n\n"), READ),
    ("NRRD in an unknown encoding", nrrd(b"gzip", b"hex"), READ),
    ("NRRD of a million axes", nrrd(b"sizes: ", b"sizes: " + b"1 " * 999_999), "axes"),
    ("NRRD with a header of 5 MB", nrrd(b"\n\n", b"\n#" + bytes(5 * 2**20) + b"\n\n"), READ),
    ("symbolic link", linked("real.nii.gz"), STRIPPED),
    ("symbolic link to nothing", linked("gone.nii.gz"), "a file that is not there"),
    ("symbolic link to /dev/zero", linked("/dev/zero"), "not a file"),
    ("named pipe", beside("T1.nii.gz", os.mkfifo, image()), "not a file"),
    ("name of other scripts", image("脳 мозг 🧠.nii.gz"), STRIPPED),
    ("name that is no UTF-8", image("a\udcff.nii.gz"), STRIPPED),
    ("name of 255 bytes", image("x" * 248 + ".nii.gz"), STRIPPED),
)  # fmt: skip


@pytest.fixture
def strip(tmp_path, stand_in, capsys):
    """Run the command; outputs go to a folder of their own."""
    (tmp_path / "out").mkdir()
    outputs = {"-o": "brain.nii.gz", "-m": "mask.nii.gz", "--json": "report.json"}
    options = [word for flag, name in outputs.items() for word in (flag, tmp_path / "out" / name)]

    def call(path):
        status = main([str(word) for word in ("-i", path, *stand_in, *options)])
        return status, capsys.readouterr().err, names(tmp_path / "out")

    return call


@pytest.mark.parametrize(("make", "outcome"), [pytest.param(*row, id=what) for what, *row in ROWS])
def test_an_odd_input_is_stripped_or_refused_in_one_sentence(tmp_path, strip, make, outcome):
    folder = tmp_path / "in"
    folder.mkdir()
    path = make(folder)
    before = contents(folder)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, said, written = strip(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MEMORY_KB
    assert contents(folder) == before
    if outcome == STRIPPED:
        assert status == 0, said
        assert written == ["brain.nii.gz", "mask.nii.gz", "report.json"]
        assert np.asarray(nibabel.load(tmp_path / "out" / "mask.nii.gz").dataobj).max() == 1
    else:
        assert (status, written) == (2, [])
        assert_one_sentence(said)
        assert outcome in said


@pytest.fixture
def no_hang():
    """Whoever waits for a pipe is woken by an error."""

    def wake(*_):
        raise AssertionError("waits for a pipe that nobody writes to")

    signal.signal(signal.SIGALRM, wake)
    signal.alarm(120)
    yield
    signal.alarm(0)


PIPES = {
    "a table": ("batch scans.csv out", "scans.csv", None),
    "a scan of a table": ("batch scans.csv out", "T1.nii.gz", "Done 0, failed 1"),
    "a pair's voxels in a table": ("batch pairs.csv out", "a.img", "Done 0, failed 1"),
    "a BIDS scan": ("bids bids out participant", "bids/sub-1/anat/sub-1_T1w.nii.gz", "failed"),
    "derivatives' description": ("bids bids out participant", "out/dataset_description.json", None),
    "a manifest": ("-i T1.nii.gz", "weights/manifest.json", "manifest"),
    "the verdict's calibration": ("-i T1.nii.gz", "weights/quality.json", "calibration"),
    "a probability": ("--from-probability p.nii.gz -i T1.nii.gz", "p.nii.gz", "not a file"),
}


@pytest.mark.usefixtures("no_hang")
@pytest.mark.parametrize("what", PIPES)
def test_a_named_pipe_is_never_waited_for(tmp_path, monkeypatch, capsys, what):
    monkeypatch.chdir(tmp_path)
    words, pipe, said = PIPES[what]
    shutil.copytree(default_manifest_path().parent, "weights")
    image("T1.nii.gz")(tmp_path)
    image("a.img", kind=nibabel.Nifti1Pair)(tmp_path)
    anat = tmp_path / "bids" / "sub-1" / "anat"
    anat.mkdir(parents=True)
    (tmp_path / "out").mkdir()
    image("sub-1_T1w.nii.gz")(anat)
    (tmp_path / "scans.csv").write_text("path\nT1.nii.gz\n")
    (tmp_path / "pairs.csv").write_text("path\na.hdr\n")
    (tmp_path / pipe).unlink(missing_ok=True)
    os.mkfifo(tmp_path / pipe)
    command, *rest = words.split()
    extra = ["--weights", "weights"]
    if command == "bids":
        status = bids_main([*rest, *extra])
    else:
        status = main([command, *rest, *extra, *(["--jobs", "1"] if command == "batch" else [])])
    assert status
    assert (said or pipe) in "".join(capsys.readouterr())


def test_a_limit_that_is_too_low_can_be_raised(tmp_path, strip, monkeypatch):
    path = image()(tmp_path)
    monkeypatch.setenv("SKULLSTRIP_MAX_VOXELS", "1000")
    status, said, _ = strip(path)
    assert status == 2
    assert "set SKULLSTRIP_MAX_VOXELS to a larger number" in said
    monkeypatch.setenv("SKULLSTRIP_MAX_VOXELS", "many")
    assert strip(path)[0] == 2
    monkeypatch.setenv("SKULLSTRIP_MAX_VOXELS", "1000000")
    assert strip(path)[0] == 0
