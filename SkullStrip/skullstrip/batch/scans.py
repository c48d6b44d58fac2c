"""Which scans a batch has, and where the outputs of each go."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath

from ..errors import InputError
from ..io import images
from ..io.dicom_header import is_dicom_file
from .tables import read_rows

DATA_OF_A_HEADER = (".img", ".img.gz")  # the header beside them names the scan
DICOM_SUFFIXES = ("", ".dcm", ".ima")  # or the last number of a UID
BETWEEN = ";"  # files in one cell of a table
STRAY_BYTES = re.compile("[\0\udc80-\udcff]")  # and what Python makes of bytes that are no UTF-8
MOST_BYTES = 250  # of a name, so that its record's has no more than file systems take
OURS = re.compile("_brain(_mask)?$|_desc-brain[^_]*_[^_]+$")


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan of a batch."""

    name: str  # its one name in tables; the path below the input folder, without the ending
    file: str  # its absolute path; as text, because `Path` takes four times the memory
    brain: str  # an output, relative to the output folder, with forward slashes
    mask: str  # likewise
    subject: str = ""  # empty where nobody said
    session: str = ""  # likewise
    # Path below a BIDS data set; empty for other scans, which get no sidecars.
    bids_source: str = ""
    # Masks with the axes of RAS, relative to the output folder; see `bids`.
    for_fmriprep: tuple[str, ...] = ()
    note: str = ""  # what its row says besides
    apply_to: tuple[Scan, ...] = ()  # other scans of its session, which get the same mask

    @property
    def path(self) -> Path:
        """The scan's file."""
        return Path(self.file)

    @property
    def inputs(self) -> list[Path]:
        """Its file, and those of the scans that get the same mask."""
        return [self.path, *(scan.path for scan in self.apply_to)]

    @property
    def images(self) -> dict[str, str]:
        """What `strip_file` writes for it, by its names, and paths below the output folder."""
        return {"brain": self.brain, "mask": self.mask, "qc": self.qc}

    @property
    def outputs(self) -> list[str]:
        """Everything that is written for it, relative to the output folder."""
        images = [self.brain, self.mask, *self.for_fmriprep]
        beside = [sidecar_of(image) for image in images] if self.bids_source else []
        others = [path for scan in self.apply_to for path in scan.outputs]
        return [*images, self.qc, *beside, *others]

    @property
    def qc(self) -> str:
        """The picture of the outline, relative to the output folder."""
        return f"qc/{self.name}.png"


def sidecar_of(image: str) -> str:
    """Return the JSON file beside an image of BIDS."""
    return f"{image.removesuffix('.nii.gz')}.json"


def find_scans(source: str, out: Path) -> list[Scan]:
    """Return scans of a folder and the folders in it, of a CSV, of a glob, or one file.

    Outputs of ours, hidden files and the output folder, `out`, are left out. Raise InputError where
    there is no scan, or a table is at fault.
    """
    path = Path(source)
    if path.is_dir():
        base, scans = path, [_scan(file, path) for file in _images_below(path, out)]
    elif path.suffix.lower() == ".csv":
        return _unique(_scans_of_table(path))
    else:
        base = _fixed_part(source)
        found = glob.glob(source, recursive=True)  # noqa: PTH207  (Path takes no absolute pattern)
        scans = [_scan(file, base) for file in sorted(map(Path, found)) if _is_scan(file)]
    if not scans:
        is_missing = not (glob.has_magic(source) or os.path.lexists(source))
        wrong = "does not exist" if is_missing else "holds no image (NIfTI, MGH, NRRD, DICOM)"
        raise InputError(
            f"'{source}' {wrong}; give a folder, a .csv with a column 'path', or a quoted glob "
            "such as 'data/*_T1w.nii.gz'."
        )
    return _unique(scans)


def _images_below(folder: Path, out: Path) -> Iterator[Path]:
    top, left_out, linked = folder.resolve(), out.resolve(), set()

    def is_searched(path: Path) -> bool:
        place = path.resolve()
        if path.name.startswith(".") or place == left_out:
            return False
        if not path.is_symlink():
            return True
        # A link into the folder or to one above it leads to what is found anyway, or to itself.
        leads_back = place.is_relative_to(top) or top.is_relative_to(place) or place in linked
        linked.add(place)
        return not leads_back

    for parent, folders, files in os.walk(folder, followlinks=True):
        here = Path(parent)
        folders[:] = [name for name in sorted(folders) if is_searched(here / name)]
        yield from (here / name for name in sorted(files) if _is_scan(here / name))
        if any(_is_dicom(here / name) for name in files):
            yield here


def _is_dicom(path: Path) -> bool:
    """Return whether a file is DICOM; those are opened whose names scanners and archives give."""
    suffix = path.suffix.lower()
    return (suffix in DICOM_SUFFIXES or suffix[1:].isdigit()) and is_dicom_file(path)


def _is_scan(path: Path) -> bool:
    suffix = images.suffix_of(path)
    if not suffix or suffix in DATA_OF_A_HEADER or path.name.startswith("."):
        return False
    # A link whose file is missing, as of data that git-annex has not fetched, is a scan that fails.
    is_there = path.is_file() or (path.is_symlink() and not path.exists())
    return is_there and not OURS.search(path.name[: -len(suffix)])


def _scan(path: Path, base: Path) -> Scan:
    try:
        place = path.relative_to(base)
    except ValueError:
        place = Path(path.name)
    if not place.name:  # DICOM in the folder itself
        place = Path(path.resolve().name)
    name = place.as_posix()
    return _called(path, name[: len(name) - len(images.suffix_of(path))])


def _called(path: Path, name: str) -> Scan:
    suffix = images.suffix_of(path) or images.FALLBACK_SUFFIX
    return Scan(name, str(path.absolute()), f"{name}_brain{suffix}", f"{name}_brain_mask{suffix}")


def _fixed_part(pattern: str) -> Path:
    """Return the folder above the first wildcard, so that further scans change no name."""
    parts = []
    for part in Path(pattern).parent.parts:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def _scans_of_table(table: Path) -> list[Scan]:
    """Return rows with `path`, and perhaps `name`, `subject`, `session` and `apply_to`."""
    advice = "give a CSV in UTF-8 with a column 'path' and a row for each scan"
    rows = [row for row in read_rows(table, ("path",), advice) if row["path"].strip()]
    if not rows:
        raise InputError(f"{table} names no scan; {advice}.")
    folder = table.parent.absolute()
    base = (folder / rows[0]["path"].strip()).parent
    for row in rows:  # two at a time: of all at once a list would be kept, part by part
        base = Path(os.path.commonpath([base, (folder / row["path"].strip()).parent]))
    return [_scan_of_row(row, folder, base) for row in rows]


def _scan_of_row(row: dict[str, str], folder: Path, base: Path) -> Scan:
    path = folder / row["path"].strip()
    scan = _scan(path, base)
    named = filter(None, map(str.strip, row.get("apply_to", "").split(BETWEEN)))
    others = [_scan(folder / file, base) for file in named]
    if name := row.get("name", "").strip():
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise InputError(f"The name '{name}' would leave the output folder; use a plain one.")
        scan = _called(path, name)
        others = [_called(each.path, f"{name}_{Path(each.name).name}") for each in others]
    subject, session = (row.get(key, "").strip() for key in ("subject", "session"))
    return replace(scan, subject=subject, session=session, apply_to=tuple(others))


def _unique(scans: Iterable[Scan]) -> list[Scan]:
    """Give scans that differ by their ending alone names with it; refuse other doubles."""
    scans = list(scans)
    counts = Counter(scan.name for scan in scans)
    for place, scan in enumerate(scans):
        if counts[scan.name] > 1:
            named = _called(scan.path, scan.name + images.suffix_of(scan.path).replace(".", "_"))
            scans[place] = replace(scan, name=named.name, brain=named.brain, mask=named.mask)
    refuse_names(scans)
    return scans


def refuse_names(scans: Iterable[Scan]) -> None:
    """Raise InputError for two scans of one name, and for names that no table or file can hold."""
    seen: dict[str, str] = {}
    for scan in chain.from_iterable((scan, *scan.apply_to) for scan in scans):
        is_stray = STRAY_BYTES.search(scan.file + scan.name)
        if is_stray or len(os.fsencode(Path(scan.name).name)) > MOST_BYTES:
            wrong = "bytes in its name that are no text (UTF-8)" if is_stray else "too long a name"
            raise InputError(f"{scan.file} has {wrong}; rename it, or leave it out.")
        # macOS and Windows take names that differ in case alone for one.
        other = seen.setdefault(scan.name.casefold(), scan.file)
        if other is not scan.file and other == scan.file:
            raise InputError(f"{scan.file} is named twice; leave one out.")
        if other is not scan.file:
            raise InputError(
                f"{scan.file} and {other} would both be called '{scan.name}'; rename one, or "
                "leave one out."
            )
