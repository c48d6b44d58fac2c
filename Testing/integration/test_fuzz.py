"""Hypothesis damages image files: each must be stripped or refused, and never anything else.

The network is `ThresholdEngine`. `SKULLSTRIP_FUZZ_EXAMPLES=5000` lets it go on for longer.
"""

import gzip
import os
import struct
import tempfile
import zlib
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
from Testing.phantoms import make_head
from Testing.stand_ins import ThresholdEngine, write_stand_in_weights

EXAMPLES = int(os.environ.get("SKULLSTRIP_FUZZ_EXAMPLES", "120"))
MADE = {
    "AFNI": hostile_files.afni(),
    "AFNI, gzip": hostile_files.afni("T1+orig.BRIK.gz"),
    "MINC 1": hostile_files.minc1,
    "MINC 2": hostile_files.minc2(),
    "PAR and REC": hostile_files.philips,
    "SPM": hostile_files.spm,
}
KINDS = (
    *(".nii", ".nii.gz", "_2.nii.gz", "_big.nii", "_float.nii.gz", ".img", ".mgh", ".mgz"),
    *(".nrrd", "_raw.nrrd", "_ascii.nrrd", ".nhdr", *MADE),
)
EDITS = ("byte", "field", "text", "cut", "repeat", "inflated byte", "inflated field")
NUMBERS = (0, 1, -1, 2, 7, 127, 255, 256, 32767, -32768, 65535, 2**31 - 1, -(2**31), 1e-30, 1e-3,
           0.5, 1e9, 1e38, -1e38, float("nan"), float("inf"), float("-inf"))  # fmt: skip
WORDS = ("0", "-1", "3", "4", "99999999999999999999", "1e400", "nan", "none", "raw", "gzip", "hex",
         "block", "double", "int64", "left-anterior-superior", "/dev/zero", "../in.raw.gz", "",
         "(1,0,0) (0,1,0) (0,0,0)", "1 1 1", "big", "LIST", "\x00", "-9 9 9", "5 5 5")  # fmt: skip
HEADER_BYTES = 360


class Edit(NamedTuple):
    """One damage: what kind, where (0 start, 1 end), and a number to choose the rest by."""

    kind: str
    place: float
    choice: int

    def at(self, length):
        return min(int(self.place * length), length - 1)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Sound files of a small phantom, one of each kind, and the stand-in network's weights."""
    folder = tmp_path_factory.mktemp("seeds")
    head = make_head("PIR", (8.0, 8.0, 8.0))
    stored = head.array.astype(np.int16)
    image = nibabel.Nifti1Image(stored, head.affine)
    image.header.set_slope_inter(2.0, -3.0)
    nibabel.save(image, folder / "seed.nii")
    source = images.read_image(folder / "seed.nii")
    for suffix in (".nii.gz", ".img", ".mgh", ".mgz", ".nrrd", ".nhdr"):
        images.write_brain(folder / f"seed{suffix}", source, np.ones(stored.shape, bool))
    swapped = nibabel.Nifti1Header(endianness=">")
    for name, other in {
        "_2.nii.gz": nibabel.Nifti2Image(stored, head.affine),
        "_big.nii": nibabel.Nifti1Image(stored, head.affine, swapped),
        "_float.nii.gz": nibabel.Nifti1Image(head.array, head.affine),
    }.items():
        nibabel.save(other, folder / f"seed{name}")
    for encoding in ("raw", "ascii"):
        header = {"space": "RAS", "space directions": head.affine[:3, :3].T, "encoding": encoding}
        nrrd.write(str(folder / f"seed_{encoding}.nrrd"), stored, header)
    found = {kind: folder / f"seed{kind}" for kind in KINDS}
    for name, make in MADE.items():
        (folder / name).mkdir()
        found[name] = make(folder / name)
    (folder / "weights").mkdir()
    return found, write_stand_in_weights(folder / "weights")


def damaged(content, edit):
    if edit.kind.startswith("inflated "):
        return damaged_inside(content, edit._replace(kind=edit.kind.removeprefix("inflated ")))
    if not content:
        return content
    changed, in_header = bytearray(content), min(len(content), HEADER_BYTES)
    if edit.kind == "byte":
        changed[edit.at(in_header)] = edit.choice % 256
    elif edit.kind == "field":
        field, start = absurd_field(edit.choice), 2 * edit.at(in_header // 2 or 1)
        changed[start : start + len(field)] = field
    elif edit.kind == "text":
        return with_absurd_text(content, edit)
    elif edit.kind == "cut":
        del changed[edit.at(len(content)) :]
    else:
        start = edit.at(len(content))
        changed[start:start] = content[start : start + 1 + edit.choice % 64] * 3
    return bytes(changed)


def damaged_inside(content, edit):
    """Damage what a gzip file holds, behind an intact checksum."""
    if content[:2] != b"\x1f\x8b":
        return damaged(content, edit)
    try:
        return gzip.compress(damaged(gzip.decompress(content), edit), 1)
    except (OSError, EOFError, zlib.error):
        return content


def with_absurd_text(content, edit):
    """Put an absurd value behind the colon of a text header's line."""
    lines = content.split(b"\n", 30)
    number = edit.at(len(lines))
    name, colon, _ = lines[number].partition(b":")
    if colon:
        lines[number] = name + b": " + WORDS[edit.choice % len(WORDS)].encode()
    return b"\n".join(lines)


def absurd_field(choice):
    """An absurd number in the bytes of one of the types that binary headers have."""
    number = NUMBERS[choice % len(NUMBERS)]
    code = ("<f", "<h", "<i", "<q", "<d", ">f", ">h", ">i")[choice // len(NUMBERS) % 8]
    if code[1] not in "fd":
        number = max(-(2**15), min(2**15 - 1, int(number))) if np.isfinite(number) else -1
    try:
        return struct.pack(code, number)
    except OverflowError:
        return struct.pack(code, float("inf"))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def strip_damaged(seed, edits, weights, folder):
    """Damage a seed, strip it in an empty folder and hold what comes out against the rules."""
    for file in images.files_read(seed):
        (folder / file.name).write_bytes(file.read_bytes())
    files = images.files_read(folder / seed.name)
    choice = edits[0].choice if edits else 0
    target = files[choice % len(files)]
    for edit in edits:
        target.write_bytes(damaged(target.read_bytes(), edit))
    before = contents(folder)
    suffix = images.suffix_of(seed) or images.FALLBACK_SUFFIX
    outputs = {"mask": folder / "m.nii.gz", "brain": folder / f"b{suffix}"}
    outputs["json"] = folder / "r.json"
    if choice % 8 == 0:  # most of the time would go into pictures
        outputs["qc"] = folder / "qc.png"
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
def test_a_sound_file_of_every_format_is_stripped(tmp_path, seeds, kind):
    files, weights = seeds
    assert strip_damaged(files[kind], [], weights, tmp_path) == "stripped"


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    edits=st.lists(
        st.builds(Edit, st.sampled_from(EDITS), st.floats(0, 1), st.integers(0, 2**16 - 1)),
        min_size=1,
        max_size=3,
    ),
)
def test_a_damaged_file_is_stripped_or_refused_and_nothing_else(seeds, kind, edits):
    files, weights = seeds
    with tempfile.TemporaryDirectory() as folder:
        strip_damaged(files[kind], edits, weights, Path(folder))
