"""A folder of scans one after another in one child: the way without Dask, and without a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skullstrip.errors import InputError
from skullstrip.files import default_outputs
from skullstrip.io import images
from skullstrip.options import Options

from .batch import DONE_STAY, Batch, BatchScan
from .child_process import ChildProcess
from .child_run import ChildRun

_OUTPUT_ENDINGS = ("_brain", "_brain_mask")


def findScans(inputFolder: Path, outputFolder: Path) -> list[Path]:
    """Image files of a folder and the folders in it, in order, relative to it.

    Files named as our own outputs are left out, and so are hidden ones and the output folder.

    Raises
    ------
    InputError
        No scan is found.
    """
    left = outputFolder.resolve()
    found = [path for path in sorted(inputFolder.rglob("*")) if _isScan(path)]
    scans = [path.relative_to(inputFolder) for path in found if left not in path.resolve().parents]
    scans = [path for path in scans if not any(part.startswith(".") for part in path.parts)]
    if not scans:
        raise InputError(f"No image file (NIfTI, MGH, NRRD) is in '{inputFolder}'.")
    return scans


def _isScan(path: Path) -> bool:
    suffix = images.suffix_of(path)
    if not suffix or suffix in (".img", ".img.gz") or not path.is_file():
        return False  # the header names an .img
    return not path.name[: -len(suffix)].endswith(_OUTPUT_ENDINGS)


class SerialBatch(Batch):
    """All scans of a folder in one child, which loads the network once; see `Batch` for the rest.

    Parameters
    ----------
    inputFolder, outputFolder : Path
    options : Options
    process : ChildProcess
    """

    def __init__(
        self,
        inputFolder: Path,
        outputFolder: Path,
        options: Options,
        process: ChildProcess,
        *hear: Any,
    ) -> None:
        super().__init__(*hear)
        paths = findScans(inputFolder, outputFolder)
        self.scans = [BatchScan(index, path.as_posix()) for index, path in enumerate(paths)]
        self.total, self._options = len(paths), options.to_json()
        self._files = [
            {"input": str(inputFolder / path)}
            | {name: str(output) for name, output in default_outputs(outputFolder / path).items()}
            for path in paths
        ]
        self._child = ChildRun(process, self._onEvent, lambda child: self.finish(child.error))

    @property
    def isFinished(self) -> bool:
        """Whether nothing more will come."""
        return self._child.isFinished

    def start(self) -> None:
        """Start the child."""
        self._child.start({"task": "files", "files": self._files, "options": self._options})

    def wait(self) -> list[BatchScan]:
        """Block until every scan is done or failed."""
        self._child.wait()
        return self.scans

    def cancel(self) -> None:
        """End the child; scans that are done stay."""
        self._child.cancel(DONE_STAY)

    def _onEvent(self, event: dict[str, Any]) -> None:
        if event["event"] == "file":
            message = event.get("message") or " ".join(event.get("checks", []))
            self.change(
                self.scans[event["index"]],
                event["state"],
                message=message,
                volumeMl=event.get("volume_ml"),
                verdict=event.get("verdict", ""),
            )
