"""A scan with its brain mask, and the hashes of their files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

LABEL_MAP_SPLIT = "labelmap"


@dataclass(frozen=True)
class Pair:
    """A T1 scan (or a whole-head label map) and its brain mask.

    Parameters
    ----------
    subject : str
        The person scanned; splits are made by subject, never by scan or slice.
    image, mask : Path
        Files on the same grid; the mask is 0 outside the brain and 1 inside.
    scan : str
        Unique name of the scan; the subject where there is one scan per subject.
    split : str
        ``train``, ``val``, ``test``, ``labelmap`` or empty where none is given.
    dataset, licence, source : str
        Where the scan comes from and what may be done with it; empty if unknown.
    image_sha256, mask_sha256 : str
        Hexadecimal digests, or their first digits (at least 16); empty if unknown.
    groups : tuple of (str, str)
        Further columns of the manifest, such as age or scanner, to judge by subgroup.
    """

    subject: str
    image: Path
    mask: Path
    scan: str = ""
    split: str = ""
    dataset: str = ""
    licence: str = ""
    source: str = ""
    image_sha256: str = ""
    mask_sha256: str = ""
    groups: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The scan's unique name."""
        return self.scan or self.subject

    @property
    def is_label_map(self) -> bool:
        """Whether `image` holds labels instead of intensities."""
        return self.split == LABEL_MAP_SPLIT


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def altered_files(pair: Pair) -> tuple[Path, ...]:
    """Return the pair's files whose bytes differ from the manifest's hash."""
    listed = ((pair.image, pair.image_sha256), (pair.mask, pair.mask_sha256))
    return tuple(
        path for path, digest in listed if digest and not file_sha256(path).startswith(digest)
    )
