"""Hypothesis damages image files: each must be stripped or refused, and never anything else.

The network is `ThresholdEngine`. `SKULLSTRIP_FUZZ_EXAMPLES=5000` lets it go on for longer.
"""

import gzip
import os
import struct
import tempfile
import zlib
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import nibabel
import nrrd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skullstrip.errors import SkullStripError
from skullstrip.files import strip_file
from skullstrip.io import images
from Testing import hostile_files
from Testing.image_files import contents
from Testing.stand_ins import ThresholdEngine

EXAMPLES = int(os.environ.get("SKULLSTRIP_FUZZ_EXAMPLES", "80"))


def nrrd_of(encoding):
    """What writes the phantom as NRRD in an encoding."""

    def write(folder):
        voxels, affine = hostile_files.head()
        header = {"space": "RAS", "space directions": affine[:3, :3].T, "encoding": encoding}
        nrrd.write(str(folder / "T1.nrrd"), voxels, header)
        return folder / "T1.nrrd"

    return write


SCALING = (
    (hostile_files.SCL_SLOPE, hostile_files.f32(2)),
    (hostile_files.SCL_INTER, hostile_files.f32(-3)),
)
BIG_ENDIAN = nibabel.Nifti1Image(*hostile_files.head(), nibabel.Nifti1Header(endianness=">"))
KINDS = {
    suffix: hostile_files.image(f"T1{suffix}")
    for suffix in (".nii", ".nii.gz", ".img", ".mgh", ".mgz", ".nrrd", ".nhdr")
} | {
    "NIfTI, scaled": hostile_files.edited(*SCALING),
    "NIfTI-2": hostile_files.image(kind=nibabel.Nifti2Image),
    "NIfTI, big-endian": hostile_files.saved(BIG_ENDIAN, "T1.nii"),
    "NIfTI, floats": hostile_files.image(array=hostile_files.head(np.float32)[0]),
    "NRRD, raw": nrrd_of("raw"),
    "NRRD, text": nrrd_of("ascii"),
    "AFNI": hostile_files.afni,
    "AFNI, gzip": hostile_files.packed_afni,
    "MINC 1": hostile_files.minc1_head,
    "MINC 2": hostile_files.carried("small.mnc"),
    "PAR and REC": hostile_files.philips,
    "SPM": hostile_files.spm,
}
FLOATS = (0, -1, 1e-30, 0.5, 1e9, 1e38, float("nan"), float("inf"))
WHOLE = (0, 1, -1, 2, 7, 255, 32767, -32768)
FIELDS = [struct.pack(code, n) for code in ("<f", "<d", ">f") for n in FLOATS]
FIELDS += [struct.pack(code, n) for code in ("<h", "<i", "<q", ">h", ">i") for n in WHOLE]
WORDS = ("0", "-1", "4", "99999999999999999999", "1e400", "nan", "none", "raw", "hex", "block",
         "double", "left-anterior-superior", "/dev/zero", "../in.raw.gz", "", "big", "LIST", "\x00",
         "(1,0,0) (0,1,0) (0,0,0)", "1 1 1", "-9 9 9", "5 5 5")  # fmt: skip
HEADER_BYTES = 360


class Edit(NamedTuple):
    """One damage: where (0 start, 1 end), and what is written there; None cuts the file there."""

    place: float
    what: bytes | str | None
    inside: bool  # behind the intact checksum of a gzip file


EDITS = st.builds(
    Edit,
    st.floats(0, 1),
    st.sampled_from([*FIELDS, *WORDS, None]) | st.binary(min_size=1, max_size=4),
    st.booleans(),
)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Sound files of a small phantom, one of each kind."""
    return {kind: make(tmp_path_factory.mktemp("seed")) for kind, make in KINDS.items()}


def damaged(content, edit):
    if edit.inside and content[:2] == b"\x1f\x8b":
        try:
            return gzip.compress(damaged(gzip.decompress(content), edit._replace(inside=False)), 1)
        except (OSError, EOFError, zlib.error):
            return content
    if edit.what is None:
        return content[: int(edit.place * len(content))]
    if isinstance(edit.what, str):  # behind the colon of a text header's line
        lines = content.split(b"\n", 30)
        number = int(edit.place * (len(lines) - 1))
        name, colon, _ = lines[number].partition(b":")
        lines[number] = name + b": " + edit.what.encode() if colon else lines[number]
        return b"\n".join(lines)
    start = 2 * int(edit.place * min(len(content), HEADER_BYTES) / 2)
    return content[:start] + edit.what + content[start + len(edit.what) :]


def strip_damaged(seed, edits, weights, folder):
    """Damage a seed, strip it in an empty folder and hold what comes out against the rules."""
    for file in images.files_read(seed):
        (folder / file.name).write_bytes(file.read_bytes())
    files = images.files_read(folder / seed.name)
    for edit, target in zip(edits, cycle(files), strict=False):
        target.write_bytes(damaged(target.read_bytes(), edit))
    before = contents(folder)
    suffix = images.suffix_of(seed) or images.FALLBACK_SUFFIX
    outputs = {"mask": folder / "m.nii.gz", "brain": folder / f"b{suffix}"}
    refusal = ""
    try:
        strip_file(folder / seed.name, **outputs, engine=ThresholdEngine(), weights=weights)
    except SkullStripError as error:
        refusal = str(error)
    if refusal:
        assert refusal.endswith(".")
        assert "\n" not in refusal
        assert contents(folder) == before, "a refusal changed files"
        return "refused"
    shape = images.read_image(folder / seed.name).stored.shape
    for name in ("mask", "brain"):
        assert images.read_image(outputs[name]).stored.shape[:3] == shape[:3]
    expected = {file.name for path in outputs.values() for file in images.files_of(path)}
    assert set(contents(folder)) == set(before) | expected, "files are missing or left over"
    return "stripped"


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_file_of_every_format_is_stripped(tmp_path, seeds, stand_in_weights, kind):
    assert strip_damaged(seeds[kind], [], stand_in_weights, tmp_path) == "stripped"


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(kind=st.sampled_from([*KINDS]), edits=st.lists(EDITS, min_size=1, max_size=3))
def test_a_damaged_file_is_stripped_or_refused_and_nothing_else(
    seeds, stand_in_weights, kind, edits
):
    with tempfile.TemporaryDirectory() as folder:
        strip_damaged(seeds[kind], edits, stand_in_weights, Path(folder))
