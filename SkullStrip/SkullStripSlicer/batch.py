"""A folder of scans through one child process, with a table's worth of news about each file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from SkullStripLib import io
from SkullStripLib.errors import InputError, SkullStripError
from SkullStripLib.strip_file import default_outputs

from .child_process import ChildProcess
from .child_run import ChildRun

Progress = Callable[[str, int, int], None]
WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
_OUTPUT_ENDINGS = ("_brain", "_brain_mask")


@dataclass
class BatchFile:
    """One scan of the folder.

    Attributes
    ----------
    state : {"waiting", "running", "done", "failed", "cancelled"}
    message : str
        Why it failed, or what the checks noticed.
    volumeMl : float or None
    """

    index: int
    input: Path
    outputs: dict[str, Path]
    state: str = WAITING
    message: str = ""
    volumeMl: float | None = None


def findScans(inputFolder: Path, outputFolder: Path) -> list[BatchFile]:
    """Image files of a folder and the folders in it, in order, with the outputs of each.

    Files named as our own outputs are left out, and so is the output folder.

    Raises
    ------
    InputError
        The input is no folder, the output is the input, or no scan is found.
    """
    if not inputFolder.is_dir():
        raise InputError(f"'{inputFolder}' is not a folder; choose the folder with the scans.")
    if outputFolder.resolve() == inputFolder.resolve():
        raise InputError("Choose another folder for the results than the one with the scans.")
    files = []
    for path in sorted(inputFolder.rglob("*")):
        if _isScan(path) and outputFolder.resolve() not in path.resolve().parents:
            place = outputFolder / path.relative_to(inputFolder)
            files.append(BatchFile(len(files), path, default_outputs(place)))
    if not files:
        raise InputError(f"No image file (NIfTI, MGH, NRRD) is in '{inputFolder}'.")
    return files


def namedFolder(folder: str | Path) -> Path:
    """A folder that was named; an empty text would be the current one.

    Raises
    ------
    InputError
    """
    if not str(folder).strip():
        raise InputError("No folder is named; choose one with the scans, and one for the results.")
    return Path(folder)


def _isScan(path: Path) -> bool:
    suffix = io.suffix_of(path)
    if not suffix or suffix in (".img", ".img.gz") or not path.is_file():
        return False  # the header names an .img
    return not path.name[: -len(suffix)].endswith(_OUTPUT_ENDINGS)


class BatchRun:
    """All files in one child, which loads the network once.

    Parameters
    ----------
    files : list of BatchFile
    options : dict
        For `strip_file`.
    process : ChildProcess
    fileChanged, progress, finished : callable, optional
        Get a `BatchFile`, (stage, done, total), and this run at its end.
    """

    def __init__(
        self,
        files: list[BatchFile],
        options: dict[str, Any],
        process: ChildProcess,
        fileChanged: Callable[[BatchFile], None] | None = None,
        progress: Progress | None = None,
        finished: Callable[[BatchRun], None] | None = None,
    ) -> None:
        self.files, self._options = files, options
        self._fileChanged, self._progress, self._finished = fileChanged, progress, finished
        self.error: SkullStripError | None = None
        self._child = ChildRun(process, self._onEvent, self._onFinished)

    @property
    def isFinished(self) -> bool:
        """Whether nothing more will come of this run."""
        return self._child.isFinished

    def start(self) -> None:
        """Start the child."""
        requests = [
            {"input": str(file.input), **{name: str(path) for name, path in file.outputs.items()}}
            for file in self.files
        ]
        self._child.start({"task": "files", "files": requests, "options": self._options})

    def wait(self) -> list[BatchFile]:
        """Block until every file is done or failed."""
        self._child.wait()
        return self.files

    def cancel(self) -> None:
        """End the child; files that are done stay."""
        self._child.cancel("The batch was cancelled; files that were done stay.")

    def _onEvent(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress" and self._progress is not None:
            self._progress(event["stage"], event["done"], event["total"])
        elif event["event"] == "file":
            file = self.files[event["index"]]
            message = event.get("message") or " ".join(event.get("checks", []))
            self._change(file, event["state"], message, event.get("volume_ml"))

    def _onFinished(self, child: ChildRun) -> None:
        self.error = child.error
        for file in self.files:
            if file.state in (WAITING, RUNNING):
                self._change(file, CANCELLED, "", None)
        if self._finished is not None:
            self._finished(self)

    def _change(self, file: BatchFile, state: str, message: str, volumeMl: float | None) -> None:
        file.state, file.message, file.volumeMl = state, message, volumeMl
        if self._fileChanged is not None:
            self._fileChanged(file)
