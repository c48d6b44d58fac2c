"""Data sets listed in a CSV file: one row a scan, paths relative to the file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from skullstrip.batch.records import sha256_of
from skullstrip.batch.tables import read_rows, write_rows
from skullstrip.errors import InputError

from .pair import Pair

ACCESSION = re.compile(r"\bds\d{6}\b")  # of OpenfMRI, now OpenNeuro
HASH = re.compile("[0-9a-f]{16,64}|")
REQUIRED = ("subject", "image", "mask")
WRITTEN = (*REQUIRED, "scan", "split", "dataset", "licence", "source")
IMAGE_HASHES = ("sha256", "sha256_image", "sha256_16_image")
MASK_HASHES = ("sha256_mask", "sha256_16_mask")
KNOWN = (*WRITTEN, "license", *IMAGE_HASHES, *MASK_HASHES)
ADVICE = "training/README.md lists the columns"


def read_manifest(path: Path) -> list[Pair]:
    """Read the pairs of a CSV with columns ``subject``, ``image`` and ``mask``.

    ``scan`` (needed where a subject has several), ``split``, ``dataset``, ``licence``, ``source``
    and hashes are understood; every other column becomes a group. Raise InputError where the file
    is no such table, a needed cell is empty, or a hash is none.
    """
    rows = enumerate(read_rows(path, REQUIRED, ADVICE), start=2)
    return [_pair(row, path.parent, line) for line, row in rows]


def _pair(row: dict[str, str], folder: Path, line: int) -> Pair:
    cells = {key: value.strip() for key, value in row.items() if key}
    for name in REQUIRED:
        if not cells[name]:
            raise InputError(f"Line {line} of the manifest has no {name}; fill the cell.")
    digests = []
    for columns in (IMAGE_HASHES, MASK_HASHES):
        digests.append(next((cells[name].lower() for name in columns if cells.get(name)), ""))
        if not HASH.fullmatch(digests[-1]):
            raise InputError(
                f"Line {line} of the manifest has the hash {digests[-1]!r}; "
                "give 16 to 64 hexadecimal digits of SHA-256."
            )
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
        image_sha256=digests[0],
        mask_sha256=digests[1],
        groups=tuple((k, v) for k, v in cells.items() if k not in KNOWN and v),
    )


def dataset_of(source: str, licence: str) -> str:
    """Name a data set by its accession number, or by its source up to a comma or bracket."""
    if found := ACCESSION.search(f"{source} {licence}"):
        return f"OpenNeuro {found.group()}"
    return source.partition("(")[0].partition(",")[0].strip()


def write_manifest(path: Path, pairs: Iterable[Pair]) -> None:
    """Write a manifest that `read_manifest` reads, with hashes and absolute paths."""
    rows = [
        {name: getattr(pair, name) for name in WRITTEN}
        | {"image": pair.image.resolve(), "sha256_image": sha256_of(pair.image)}
        | {"mask": pair.mask.resolve(), "sha256_mask": sha256_of(pair.mask)}
        | dict(pair.groups)
        for pair in pairs
    ]
    columns = ["subject", "scan", "split", "image", "mask", "dataset", "licence", "source",
               "sha256_image", "sha256_mask"]  # fmt: skip
    columns += sorted({name for row in rows for name in row} - set(columns))
    write_rows(path, columns, rows)
