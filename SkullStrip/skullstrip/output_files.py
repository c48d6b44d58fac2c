"""What may be written of a scan, where it goes, and what it may not replace."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from .errors import OutputError
from .io.atomic import require_writable

OUTPUTS = {  # flags of the command, what a name of ours has behind the scan's, and what it is
    "brain": ("-o --brain", "_brain", "the scan with everything but the brain set to zero"),
    "mask": ("-m --mask", "_brain_mask", "brain mask, 0 and 1"),
    "probability": (
        "-p --probability", "_brain_probability", "brain probability, float32 in [0, 1]"
    ),
    "confidence": (
        "--confidence", "_brain_confidence", "how likely each voxel's label is right, in [0, 1]"
    ),
    "head": ("--head", "_head", "the head without the brain: the brain set to zero"),
    "surface": (
        "--surface", "_brain_surface.vtp", "smooth closed surface in RAS mm: .vtp, .stl or .ply"
    ),
    "seg": ("--seg", "_brain.dcm", "the mask as DICOM Segmentation; the scan must be DICOM"),
    "qc": ("--qc", "_qc.png", "picture of the mask's outline over slices in three planes"),
    "json": ("--json", "_report.json", "volume, verdict, timings, engine, weights' hash"),
}  # fmt: skip
ONE_FORMAT = {
    "qc": ("the QC picture", ".png"),
    "seg": ("a DICOM segmentation", ".dcm"),
    "json": ("the JSON report", ".json"),
}


def default_outputs(input_path: str | Path, series: int | None = None) -> dict[str, Path]:
    """Return what the command writes when no image is named: brain and mask beside the input.

    Of DICOM they are called by the series, and lie in the folder that is given; raise InputError
    where none can be told.
    """
    from .io import images
    from .io.dicom_header import find_series, is_dicom

    path = Path(input_path)
    if is_dicom(path):
        folder = path if path.is_dir() else path.parent
        path = folder / f"{find_series(path, series).name}.dcm"
    suffix = images.suffix_of(path)
    stem = path.name[: -len(suffix)] if suffix else path.stem
    suffix = suffix or images.FALLBACK_SUFFIX
    return {name: path.with_name(f"{stem}{OUTPUTS[name][1]}{suffix}") for name in ("brain", "mask")}


def require_free(outputs: dict[str, Path]) -> None:
    """Raise OutputError where files that nobody named, as `default_outputs` are, are there."""
    from .io.images import files_of

    for file in (file for path in outputs.values() for file in files_of(path)):
        if os.path.lexists(file):
            raise OutputError(
                f"{file} is there already; use --overwrite to replace it, or name outputs with "
                "-o and -m."
            )


def require_outputs(inputs: Sequence[Path], outputs: Iterable[tuple[str, Path]]) -> None:
    """Raise OutputError for outputs that cannot be written, or are an input or each other.

    A file that was named is replaced, with the data file that its own header names; a data file of
    that name that belongs to something else is not.
    """
    from .io.images import files_of, files_read

    taken = {identity(file): "the input" for path in inputs for file in files_read(path)}
    for name, path in outputs:
        for file in files_of(path):
            if other := taken.get(identity(file)):
                raise OutputError(f"{path} is also {other}; name another {name} output.")
            if os.path.lexists(file) and file not in (path, *files_read(path)):
                raise OutputError(
                    f"{path} would replace {file}, which is no part of it; name another {name} "
                    "output."
                )
            require_writable(file)
        _require_ending(name, path)
        taken |= {identity(file): f"the {name} output" for file in files_of(path)}


def _require_ending(name: str, path: Path) -> None:
    from .io.images import WRITABLE_SUFFIXES
    from .mask.surface import SURFACE_SUFFIXES

    what, ending = ONE_FORMAT.get(name, ("", path.suffix.lower()))
    if path.suffix.lower() != ending:
        raise OutputError(f"{path} is no name for {what}; end it in {ending}.")
    known = SURFACE_SUFFIXES if name == "surface" else WRITABLE_SUFFIXES
    if name not in ONE_FORMAT and not path.name.lower().endswith(known):
        what = "surface" if name == "surface" else "image"
        raise OutputError(f"{path} names no {what} format; use one of {', '.join(known)}.")


def identity(path: Path) -> tuple[int, int] | str:
    """Return what is equal for two names of one file, through symbolic and hard links."""
    try:
        status = path.stat()
    except ValueError:  # a null character; whoever opens the file refuses it
        return str(path)
    except OSError:
        try:
            return os.path.normcase(os.path.realpath(path))
        except OSError:  # the working folder is gone
            return str(path)
    return status.st_dev, status.st_ino


class Inputs:
    """All files that a batch reads, scans and tables: none of them is written."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = set(map(str, files))

    def refuse(self, outputs: Iterable[Path]) -> None:
        """Raise OutputError for a file that this batch reads."""
        from .io.images import files_of

        for file in (file for path in outputs for file in files_of(path)):
            is_input = str(file) in self._files
            if is_input or (os.path.lexists(file) and identity(file) in self._identities):
                raise OutputError(
                    f"{file} would be replaced, which this batch reads; name another output folder."
                )

    @cached_property
    def _identities(self) -> set[object]:
        from .io.images import files_read

        return {identity(file) for path in self._files for file in files_read(Path(path))}
