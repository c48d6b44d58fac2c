"""One scan's run: into the child, back into the scene, ended cleanly when the scene changes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk

from skullstrip.errors import EngineError, InputError, SkullStripError
from skullstrip.grid.volume import Volume
from skullstrip.io.volume_archive import Extracted, read_extracted, write_volume
from skullstrip.options import Options

from .child_process import Children
from .child_run import ChildRun
from .volume_node import volumeFromNode

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class AppliedMask:
    """A mask that another scan gets."""

    scan: Volume  # where it was found, as it lies in the world
    brainMask: np.ndarray  # (I, J, K)
    verdict: str


class StripRun(ChildRun):
    """A scan on its way through the child process.

    Parameters
    ----------
    volumeNode : vtkMRMLScalarVolumeNode
    options : Options
        The border excepted, which is moved here.
    children : Children
    deliver : callable
        Gets (what was found, its mask at border 0; the report); returns the segmentation node.
    progress : callable, optional
        Gets (stage, done, total).
    finished : callable, optional
        Gets this run, once, also when it failed or was cancelled.
    confidence : bool
        Whether the confidence map is made, too.
    applied : AppliedMask, optional
        Carried to the scan, in the place of a mask of its own.

    Attributes
    ----------
    segmentationNode : vtkMRMLSegmentationNode or None
    report : dict
        As `skullstrip.report` documents it; empty before the run is over.
    error : SkullStripError or None
    """

    def __init__(
        self,
        volumeNode,
        options: Options,
        children: Children,
        deliver: Callable[[Extracted, dict[str, Any]], Any],
        progress: Progress | None = None,
        finished: Callable[[StripRun], None] | None = None,
        *,
        confidence: bool = False,
        applied: AppliedMask | None = None,
    ) -> None:
        super().__init__(children, self._onEvent, finished)
        self.volumeNode, self._options = volumeNode, options
        self._deliver, self._progress = deliver, progress
        self._confidence, self._applied = confidence, applied
        self.segmentationNode = None
        self._observations = slicer.util.VTKObservationMixin()
        self._temporary = tempfile.TemporaryDirectory(
            prefix="skullstrip-", dir=slicer.app.temporaryPath, ignore_cleanup_errors=True
        )
        self._folder = Path(self._temporary.name)

    def start(self) -> None:
        """Hand the scan over and start; Slicer goes on meanwhile."""
        try:
            volume = volumeFromNode(self.volumeNode)
            write_volume(self._folder / "input.npy", volume)
            self._shape = volume.array.shape
            request = {
                "task": "volume",
                "input": str(self._folder / "input.npy"),
                "output": str(self._folder / "output.npy"),
                "options": replace(self._options, border_mm=0.0).to_json(),
                "confidence": self._confidence,
            }
            if self._applied is not None:
                path = self._folder / "applied.npy"
                write_volume(path, self._applied.scan, self._applied.brainMask)
                request |= {"applied": str(path), "verdict": self._applied.verdict}
            self._observe()
            self.send(request)
        except BaseException as error:
            self._letGo()
            if isinstance(error, OSError):
                raise EngineError(f"The scan cannot be handed over ({error}).") from error
            raise

    def wait(self):
        """Block until the result is in the scene; return its node, or raise what ended the run."""
        super().wait()
        return self.segmentationNode

    def _observe(self) -> None:
        scene, add = self.volumeNode.GetScene(), self._observations.addObserver
        reason = "The scene was closed, which ended the run."
        add(scene, scene.StartCloseEvent, lambda *_: self.cancel(reason))
        add(scene, scene.NodeAboutToBeRemovedEvent, self._onNodeRemoved)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, _caller, _event, node) -> None:
        if node is self.volumeNode:
            self.cancel("The scan was removed from the scene, which ended the run.")

    def _onEvent(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress" and self._progress is not None:
            self._progress(event["stage"], event["done"], event["total"])

    def _finish(self, error: SkullStripError | None) -> None:
        self._observations.removeObservers()
        if error is None:
            try:
                self.segmentationNode = self._deliver(self._extracted(), self.report)
            except SkullStripError as problem:
                error = problem
            except Exception as problem:  # noqa: BLE001  (whoever waits must hear that it is over)
                what = f"{type(problem).__name__}: {problem}"
                error = EngineError(
                    f"The result cannot be put into the scene ({what}); strip the scan again."
                )
        self._letGo()
        super()._finish(error)

    def _extracted(self) -> Extracted:
        extracted = read_extracted(self._folder / "output.npy")
        current = volumeFromNode(self.volumeNode).array.shape
        if not extracted.brain_mask.shape == current == self._shape:
            raise InputError("The scan was replaced while it was stripped; strip it again.")
        return extracted

    def _letGo(self) -> None:
        self._observations.removeObservers()
        self._temporary.cleanup()
