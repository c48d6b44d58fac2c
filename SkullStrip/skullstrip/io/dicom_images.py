"""A series of DICOM slices as one volume, through pydicom; classic and enhanced alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..checks.input_checks import Check
from ..errors import InputError
from .dicom_geometry import lay_out
from .dicom_header import Frame, Instance
from .dicom_pixels import read_voxels
from .dicom_series import Series


@dataclass(frozen=True)
class DicomHeader:
    """Where a volume's slices come from."""

    name: str  # of the series, fit for a file's name
    # File and number of the frame in it, from 0, along the volume's last axis.
    slices: tuple[tuple[Path, int], ...]


class Reader:
    """A series whose headers are read, as `images.Reader` says."""

    has_orientation = True

    def __init__(self, series: Series) -> None:
        what = f"Series {series.number}"
        if fault := next((each.fault for each in series.instances if each.fault), ""):
            raise InputError(f"{what} {fault}.")
        instances = _without_copies(series.instances)
        if len({each.shape for each in instances}) > 1:
            raise InputError(f"{what} holds slices of several sizes; choose a series of one size.")
        frames = [(each, n, frame) for each in instances for n, frame in enumerate(each.frames)]
        order, self.affine = lay_out([frame for *_, frame in frames], what)
        self._instances = instances
        self._slices: list[tuple[Instance, int, Frame]] = [frames[place] for place in order]
        rows, columns = instances[0].shape
        self.shape: tuple[int, ...] = (columns, rows, len(frames))
        self.dtype = np.result_type(*{each.dtype for each in instances})
        self.header = DicomHeader(series.name, tuple((each.path, n) for each, n, _ in self._slices))
        self.checks = tuple(_checks(len(series.instances) - len(instances)))

    def read(self) -> tuple[np.ndarray, float, float]:
        """Return stored voxels, and the slope and intercept that turn them into values."""
        scalings = {frame.scaling for *_, frame in self._slices}
        stored = np.empty(self.shape[::-1], self.dtype if len(scalings) == 1 else np.float32)
        places: dict[Path, list[tuple[int, int, Frame]]] = {}
        for place, (instance, number, frame) in enumerate(self._slices):
            places.setdefault(instance.path, []).append((place, number, frame))
        for instance in self._instances:
            voxels = read_voxels(instance)
            for place, number, frame in places[instance.path]:
                stored[place] = voxels[number]
                if len(scalings) > 1:
                    stored[place] = stored[place] * frame.scaling[0] + frame.scaling[1]
        slope, intercept = scalings.pop() if len(scalings) == 1 else (1.0, 0.0)
        return stored.transpose(2, 1, 0), slope, intercept


def _without_copies(instances: tuple[Instance, ...]) -> list[Instance]:
    """Return each instance once, whatever number of files it is in."""
    return list({(each.uid, each.frames): each for each in instances}.values())


def _checks(copies: int) -> list[Check]:
    if not copies:
        return []
    message = f"Copies of slices that are there already were left out ({copies} of the files)."
    return [Check("dicom_copies", "note", message)]
