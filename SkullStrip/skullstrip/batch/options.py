"""What a batch may be told, in one place for the commands, Python and the workers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..prepare.reorient import Reorient


REDO = ("rejected", "failed", "check")


@dataclass(frozen=True)
class BatchOptions:
    """Options of a batch.

    Parameters
    ----------
    border_mm, keep_csf, reorient, views, engine, device, threads, weights
        As for `strip_file`; `threads` counts for each scan.
    jobs : int, optional
        Worker processes; by default as many as processors and memory allow.
    scheduler : str, optional
        Address of a running Dask scheduler, whose workers do the scans.
    overwrite : bool
        Strip again what is done.
    redo : {"rejected", "failed", "check"}, optional
        Only scans that somebody rejected, that failed, or whose verdict was not "pass".
    decisions : path, optional
        The CSV that the report page exports; `decisions.csv` in the output folder by default.
    """

    border_mm: float = 0.0
    keep_csf: bool = True
    reorient: Reorient = "off"
    views: int = 1
    engine: str = "auto"
    device: str = "auto"
    threads: int | None = None
    weights: str | Path | None = None
    jobs: int | None = None
    scheduler: str | None = None
    overwrite: bool = False
    redo: str | None = None
    decisions: str | Path | None = None

    def method(self) -> dict[str, Any]:
        """What `strip_file` is called with, its engine and weights aside."""
        names = ("border_mm", "keep_csf", "reorient", "views")
        return {name: getattr(self, name) for name in names}

    def digest(self, weights_sha256: str, calibration_sha256: str) -> str:
        """Hash of everything that changes the outputs; an engine or a device does not."""
        hashes = {"weights": weights_sha256, "calibration": calibration_sha256}
        content = {**self.method(), **hashes}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
