"""Damaged image files by the thousand: each must be stripped or refused, and never anything else.

`python -m Testing.fuzz --minutes 20` runs until the time is over and prints counts; a file that
crashes the reader or the pipeline is kept. The network is `stand_ins.ThresholdEngine`.
`Testing/integration/test_fuzz.py` has hypothesis choose the damage.
"""

from __future__ import annotations

import argparse
import gzip
import random
import resource
import struct
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np

from skullstrip.errors import SkullStripError
from skullstrip.files import strip_file
from skullstrip.io import images
from Testing import hostile_files
from Testing.phantoms import make_head
from Testing.stand_ins import ThresholdEngine, write_stand_in_weights

SUFFIXES = (
    *(".nii", ".nii.gz", "_2.nii.gz", "_big.nii", "_float.nii.gz", ".img", ".mgh", ".mgz"),
    *(".nrrd", "_raw.nrrd", "_text.nrrd", ".nhdr"),
)
MADE = {
    "AFNI": hostile_files.afni(),
    "AFNI, gzip": hostile_files.afni("T1+orig.BRIK.gz"),
    "MINC 1": hostile_files.minc1,
    "MINC 2": hostile_files.minc2(),
    "PAR and REC": hostile_files.philips,
    "SPM": hostile_files.spm,
}
KINDS = ("bit", "byte", "field", "text", "cut", "repeat", "inflated bit", "inflated field")
NUMBERS = (0, 1, -1, 2, 7, 127, 255, 256, 32767, -32768, 65535, 2**31 - 1, -(2**31), 1e-30, 1e-3,
           0.5, 1e9, 1e38, -1e38, float("nan"), float("inf"), float("-inf"))  # fmt: skip
WORDS = ("0", "-1", "3", "4", "99999999999999999999", "1e400", "nan", "none", "raw", "gzip", "hex",
         "block", "double", "int64", "left-anterior-superior", "/dev/zero", "../in.raw.gz", "",
         "(1,0,0) (0,1,0) (0,0,0)", "1 1 1", "big", "LIST", "\x00", "-9 9 9", "5 5 5")  # fmt: skip
HEADER_BYTES = 360
MEMORY_BYTES = 3 * 2**30
SLOW_SECONDS = 20.0


class Edit(NamedTuple):
    """One damage: what kind, where (0 start, 1 end), and a number to choose the rest by."""

    kind: str
    place: float
    choice: int


def write_seeds(folder: Path) -> dict[str, Path]:
    """Sound files of a small phantom, one of each format."""
    head = make_head("PIR", (8.0, 8.0, 8.0))
    stored = head.array.astype(np.int16)
    image = nibabel.Nifti1Image(stored, head.affine)
    image.header.set_slope_inter(2.0, -3.0)
    nibabel.save(image, folder / "seed.nii")
    source = images.read_image(folder / "seed.nii")
    everything = np.ones(stored.shape, bool)
    for suffix in (".nii.gz", ".img", ".mgh", ".mgz", ".nrrd", ".nhdr"):
        images.write_brain(folder / f"seed{suffix}", source, everything)
    nibabel.save(nibabel.Nifti2Image(stored, head.affine), folder / "seed_2.nii.gz")
    swapped = nibabel.Nifti1Header(endianness=">")
    nibabel.save(nibabel.Nifti1Image(stored, head.affine, swapped), folder / "seed_big.nii")
    nibabel.save(nibabel.Nifti1Image(head.array, head.affine), folder / "seed_float.nii.gz")
    content = (folder / "seed.nrrd").read_bytes()
    header, _, _ = content.partition(b"\n\n")
    values = source.array.astype(np.int32)
    raw = values.tobytes("F")
    text = " ".join(map(str, values.ravel("F"))).encode()
    for name, encoding, voxels in (("raw", b"raw", raw), ("text", b"ascii", text)):
        changed = header.replace(b"encoding: gzip", b"encoding: " + encoding)
        for kind in (b"float", b"int64"):
            changed = changed.replace(b"type: " + kind, b"type: int32")
        (folder / f"seed_{name}.nrrd").write_bytes(changed + b"\n\n" + voxels)
    seeds = {suffix: folder / f"seed{suffix}" for suffix in SUFFIXES}
    for name, make in MADE.items():
        (folder / name).mkdir()
        seeds[name] = make(folder / name)
    return seeds


def damage(content: bytes, edits: Sequence[Edit]) -> bytes:
    """Apply edits one after the other."""
    for edit in edits:
        if edit.kind.startswith("inflated "):
            content = _damage_inflated(content, edit)
        elif content:
            content = _EDITORS[edit.kind](bytearray(content), edit)
    return content


def _damage_inflated(content: bytes, edit: Edit) -> bytes:
    """Damage what a gzip file holds, behind an intact checksum."""
    inner = edit._replace(kind=edit.kind.removeprefix("inflated "))
    if content[:2] != b"\x1f\x8b":
        return damage(content, [inner])
    try:
        inflated = gzip.decompress(content)
    except (OSError, EOFError, ValueError, ArithmeticError, gzip.zlib.error):  # type: ignore[attr-defined]
        return content
    return gzip.compress(damage(inflated, [inner]), 1)


def _flip(content: bytearray, edit: Edit) -> bytes:
    content[_at(edit, len(content))] ^= 1 << edit.choice % 8
    return bytes(content)


def _set_byte(content: bytearray, edit: Edit) -> bytes:
    content[_at(edit, min(len(content), HEADER_BYTES))] = edit.choice % 256
    return bytes(content)


def _set_field(content: bytearray, edit: Edit) -> bytes:
    """Write an absurd number over what may be a field of a binary header."""
    number = NUMBERS[edit.choice % len(NUMBERS)]
    code = ("<f", "<h", "<i", "<q", "<d", ">f", ">h", ">i")[edit.choice // len(NUMBERS) % 8]
    if code[1] not in "fd":
        number = max(-(2**15), min(2**15 - 1, int(number))) if np.isfinite(number) else -1
    start = 2 * _at(edit, min(len(content), HEADER_BYTES) // 2 or 1)
    try:
        field = struct.pack(code, number)
    except OverflowError:
        field = struct.pack(code, float("inf"))
    content[start : start + len(field)] = field
    return bytes(content)


def _set_text(content: bytearray, edit: Edit) -> bytes:
    """Write an absurd value behind the colon of a text header's line."""
    lines = bytes(content).split(b"\n", 30)
    number = _at(edit, len(lines))
    name, colon, _ = lines[number].partition(b":")
    if colon:
        lines[number] = name + b": " + WORDS[edit.choice % len(WORDS)].encode()
    return b"\n".join(lines)


def _cut(content: bytearray, edit: Edit) -> bytes:
    return bytes(content[: _at(edit, len(content))])


def _repeat(content: bytearray, edit: Edit) -> bytes:
    start = _at(edit, len(content))
    part = content[start : start + 1 + edit.choice % 64]
    return bytes(content[:start] + part * 3 + content[start:])


def _at(edit: Edit, length: int) -> int:
    return min(int(edit.place * length), length - 1)


_EDITORS: dict[str, Callable[[bytearray, Edit], bytes]] = {
    "bit": _flip,
    "byte": _set_byte,
    "field": _set_field,
    "text": _set_text,
    "cut": _cut,
    "repeat": _repeat,
}


def strip_damaged(seed: Path, edits: Sequence[Edit], weights: Path, folder: Path) -> str:
    """Damage a seed, strip it in an empty folder and hold what comes out against the rules.

    Returns
    -------
    str
        "stripped", or "refused" and why, in a few words.

    Raises
    ------
    AssertionError
        A refusal is no sentence, or files were lost, left over or not whole.
    Exception
        Whatever else than a refusal comes out of the library: a crash.
    """
    for file in images.files_read(seed):
        (folder / file.name).write_bytes(file.read_bytes())
    files = images.files_read(folder / seed.name)
    choice = edits[0].choice if edits else 0
    target = files[choice % len(files)]
    target.write_bytes(damage(target.read_bytes(), edits))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    suffix = images.suffix_of(seed) or images.FALLBACK_SUFFIX
    outputs = {"mask": folder / "m.nii.gz", "brain": folder / f"b{suffix}"}
    outputs["json"] = folder / "r.json"
    if choice % 8 == 0:  # most of the time would go into pictures
        outputs["qc"] = folder / "qc.png"
    try:
        strip_file(folder / seed.name, **outputs, engine=ThresholdEngine(), weights=weights)  # type: ignore[arg-type]
    except SkullStripError as error:
        message = str(error)
        assert message.endswith(".")
        assert "\n" not in message
        after = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert after == before, "a refusal changed files"
        return "refused"
    shape = images.read_image(folder / seed.name).stored.shape
    for name in ("mask", "brain"):
        assert images.read_image(outputs[name]).stored.shape[:3] == shape[:3]
    after = {path.name for path in folder.iterdir()}
    expected = {file.name for path in outputs.values() for file in images.files_of(path)}
    assert after == set(before) | expected, "files are missing or left over"
    return "stripped"


def main() -> int:
    """Run for a while and print the counts; 1 when something crashed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-crashes"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    resource.setrlimit(resource.RLIMIT_AS, (used + 4 * MEMORY_BYTES, resource.RLIM_INFINITY))
    chance, counts = random.Random(arguments.seed), Counter[str]()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        (folder / "weights").mkdir()
        weights = write_stand_in_weights(folder / "weights")
        seeds = write_seeds(folder)
        end = time.monotonic() + 60 * arguments.minutes
        while time.monotonic() < end:
            edits = [
                Edit(chance.choice(KINDS), chance.random(), chance.randrange(2**16))
                for _ in range(chance.choice((1, 1, 1, 2, 3)))
            ]
            counts += _try(chance.choice(list(seeds.values())), edits, weights, arguments.keep)
    for what, count in sorted(counts.items()):
        print(f"{count:8,} {what}")
    return int(counts["crashed"] > 0)


def _try(seed: Path, edits: list[Edit], weights: Path, keep: Path) -> Counter[str]:
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        try:
            outcome = strip_damaged(seed, edits, weights, Path(work))
        except Exception as error:  # noqa: BLE001  (finding these is the purpose)
            outcome = "crashed"
            keep.mkdir(exist_ok=True)
            text = f"{seed.name} {edits}\n{type(error).__name__}: {error}\n"
            with (keep / "log.txt").open("a") as log:
                log.write(text)
            print(text, file=sys.stderr, flush=True)
    slow = ["slow"] if time.monotonic() - start > SLOW_SECONDS else []
    return Counter(["files", outcome, f"{outcome} {seed.suffix}", *slow])


if __name__ == "__main__":
    sys.exit(main())
