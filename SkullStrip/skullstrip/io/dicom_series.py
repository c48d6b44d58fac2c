"""Which series of DICOM files is meant: one in a folder, or the one that a file is part of."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from ..errors import ChoiceError, InputError
from .dicom_header import Instance, is_dicom_file, read_instance

MAX_FILES = 100_000


@dataclass(frozen=True)
class Series:
    """Files that belong together."""

    number: int  # what it is chosen by
    instances: tuple[Instance, ...]  # at least one

    @property
    def name(self) -> str:
        """Number and description, fit for a file's name; nothing of the patient's."""
        words = re.sub(r"[^A-Za-z0-9]+", "_", self.instances[0].description).strip("_")
        return f"series_{self.number}" + (f"_{words}" if words else "")

    @property
    def line(self) -> str:
        """Number, description, size and contrast, for a list."""
        first = self.instances[0]
        slices = sum(len(instance.frames) for instance in self.instances)
        size = f"{first.shape[1]} x {first.shape[0]} x {slices}"
        return f"{self.number:6}  {first.description:40}  {size:17}  {first.contrast}".rstrip()


def is_dicom(path: Path) -> bool:
    """Return whether a path is a DICOM file, or a folder with one in it."""
    try:
        return any(is_dicom_file(file) for file in _files(path))
    except OSError:  # a name that is too long, for example: whoever reads it says so
        return False


def find_series(path: Path, number: int | None = None) -> Series:
    """Return the series that is meant: of a folder, or of one file, which brings those beside it.

    Raise ChoiceError, which lists them by `number`, where a folder holds several and none of them
    is chosen, and InputError where there is no picture or a file cannot be read.
    """
    known = _all_series(path)
    if number is None and len(known) == 1:
        return known[0]
    if chosen := [series for series in known if series.number == number]:
        return chosen[0]
    lines = [series.line for series in known]
    if number is None:
        several = f"{path} holds {len(known)} series"
        raise ChoiceError(f"{several}; choose one with '--series N', or name a file of it.", lines)
    raise ChoiceError(f"{path} holds no series {number}; choose one of these.", lines)


def files_of_series(path: Path) -> tuple[Path, ...]:
    """Return the files of one file's series, or a folder's DICOM files that may hold a scan."""
    if path.is_dir():
        return tuple(file for file in _files(path) if is_dicom_file(file) and _may_be_scan(file))
    try:
        return tuple(each.path for each in _all_series(path)[0].instances)
    except InputError:  # whoever reads the series says what is wrong with it
        return (path,)


def _may_be_scan(file: Path) -> bool:
    try:
        return read_instance(file) is not None
    except InputError:  # whoever reads it says what is wrong with it
        return True


def _all_series(path: Path) -> list[Series]:
    instances = [found for file in _files(path) if (found := read_instance(file)) is not None]
    if not path.is_dir() and instances:
        instances = _of_one_file(instances[0])
    if not instances:
        raise InputError(f"{path} is DICOM without a picture in it; give the scan's series.")
    instances.sort(key=lambda each: (each.number is None, each.number or 0, each.series_uid))
    groups = [tuple(group) for _, group in groupby(instances, key=lambda each: each.series_uid)]
    placed = [
        group
        for group in groups
        if not all(np.isnan(frame.position).any() for each in group for frame in each.frames)
    ]
    groups = placed or groups  # no screenshots
    numbers = [group[0].number for group in groups]
    if None in numbers or len(set(numbers)) < len(numbers):  # of several studies, for example
        numbers = list(range(1, len(groups) + 1))
    return [Series(number or 0, group) for number, group in zip(numbers, groups, strict=True)]


def _of_one_file(given: Instance) -> list[Instance]:
    if not given.is_part:
        return [given]
    beside = (read_instance(file) for file in sorted(given.path.parent.iterdir()) if file.is_file())
    return [each for each in beside if each is not None and each.series_uid == given.series_uid]


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    count = 0
    for parent, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            count += 1
            if count > MAX_FILES:
                raise InputError(
                    f"{path} holds more than {MAX_FILES:,} files; give the folder of one study."
                )
            if not name.startswith(".") and (file := Path(parent, name)).is_file():
                yield file
