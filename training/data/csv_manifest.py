"""Data sets listed in a CSV file: one row a scan, paths relative to the file."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from skullstrip.batch.records import sha256_of
from skullstrip.errors import InputError

from .pair import Pair

ACCESSION = re.compile(r"\bds\d{6}\b")  # of OpenfMRI, now OpenNeuro
MANIFEST_NAMES = ("MANIFEST.csv", "manifest.csv")
REQUIRED = ("subject", "image", "mask")
_IMAGE_HASHES = ("sha256", "sha256_image", "sha256_16_image")
_MASK_HASHES = ("sha256_mask", "sha256_16_mask")
_KNOWN = {
    *REQUIRED, "scan", "split", "dataset", "licence", "license", "source",
    *_IMAGE_HASHES, *_MASK_HASHES,
}  # fmt: skip


def read_manifest(path: Path) -> list[Pair]:
    """Read the pairs that a CSV manifest lists.

    Columns ``subject``, ``image`` and ``mask`` are needed; ``scan``, ``split``, ``dataset``,
    ``licence``, ``source`` and hashes are understood; every other column becomes a group.
    A subject with several scans needs the column ``scan``.

    Raises
    ------
    InputError
        The file is not such a table, or a hash is not at least 16 hexadecimal digits.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            present = set(reader.fieldnames or ())
            missing = [name for name in REQUIRED if name not in present]
            if missing:
                raise InputError(f"The manifest {path} has no column {', '.join(missing)}.")
            return [_pair(row, path.parent, reader.line_num) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The manifest {path} is not a CSV table in UTF-8: {error}.") from error


def _pair(row: dict[str, str | None], folder: Path, line: int) -> Pair:
    cells = {key: (value or "").strip() for key, value in row.items() if key}
    for name in REQUIRED:
        if not cells[name]:
            raise InputError(f"Line {line} of the manifest has no {name}; fill the cell.")
    source, licence = cells.get("source", ""), cells.get("licence") or cells.get("license", "")
    return Pair(
        subject=cells["subject"],
        image=folder / cells["image"],
        mask=folder / cells["mask"],
        scan=cells.get("scan", ""),
        split=cells.get("split", ""),
        dataset=cells.get("dataset") or dataset_of(source, licence),
        licence=licence,
        source=source,
        image_sha256=_digest(cells, _IMAGE_HASHES, line),
        mask_sha256=_digest(cells, _MASK_HASHES, line),
        groups=tuple((k, v) for k, v in cells.items() if k not in _KNOWN and v),
    )


def dataset_of(source: str, licence: str) -> str:
    """Name a data set by its accession number, or by its source up to a comma or bracket."""
    found = ACCESSION.search(f"{source} {licence}")
    if found:
        return f"OpenNeuro {found.group()}"
    return source.partition("(")[0].partition(",")[0].strip()


def _digest(cells: dict[str, str], columns: tuple[str, ...], line: int) -> str:
    digest = next((cells[name].lower() for name in columns if cells.get(name)), "")
    if digest and (len(digest) < 16 or set(digest) - set("0123456789abcdef")):
        raise InputError(
            f"Line {line} of the manifest has the hash {digest!r}; "
            "give 16 to 64 hexadecimal digits of SHA-256."
        )
    return digest


def write_manifest(path: Path, pairs: Iterable[Pair]) -> None:
    """Write a manifest that `read_manifest` reads, with the hash of every file.

    Paths are absolute, so that the manifest may lie anywhere on the machine.
    """
    columns = ["subject", "scan", "split", "image", "mask", "dataset", "licence", "source",
               "sha256_image", "sha256_mask"]  # fmt: skip
    described = [
        {name: str(getattr(pair, name)) for name in columns[:8]}
        | {"image": str(pair.image.resolve()), "sha256_image": sha256_of(pair.image)}
        | {"mask": str(pair.mask.resolve()), "sha256_mask": sha256_of(pair.mask)}
        | dict(pair.groups)
        for pair in pairs
    ]
    columns += sorted({name for row in described for name in row} - set(columns))
    write_csv(path, columns, ([row.get(name, "") for name in columns] for row in described))


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table, UTF-8 with line ends of one byte."""
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
