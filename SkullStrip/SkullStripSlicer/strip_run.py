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
from .scene_watch import Observations
from .volume_node import volumeFromNode

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class AppliedMask:
    """A mask that another scan gets.

    Parameters
    ----------
    scan : Volume
        Where it was found, as it lies in the world.
    brainMask : ndarray of bool, shape (I, J, K)
    verdict : str
    """

    scan: Volume
    brainMask: np.ndarray
    verdict: str


class StripRun:
    """A scan on its way through the child process.

    Parameters
    ----------
    volumeNode : vtkMRMLScalarVolumeNode
    options : Options
        The border excepted, which is moved here.
    children : Children
    onExtracted : callable
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
        onExtracted: Callable[[Extracted, dict[str, Any]], Any],
        progress: Progress | None = None,
        finished: Callable[[StripRun], None] | None = None,
        *,
        confidence: bool = False,
        applied: AppliedMask | None = None,
    ) -> None:
        self.volumeNode, self._options = volumeNode, options
        self._onExtracted, self._progress, self._finished = onExtracted, progress, finished
        self._confidence, self._applied = confidence, applied
        self.segmentationNode = None
        self.report: dict[str, Any] = {}
        self.error: SkullStripError | None = None
        self._observations = Observations()
        self._child = ChildRun(children, self._onEvent, self._onFinished)
        self._temporary = tempfile.TemporaryDirectory(
            prefix="skullstrip-", dir=temporaryPath(), ignore_cleanup_errors=True
        )
        self._folder = Path(self._temporary.name)

    @property
    def isFinished(self) -> bool:
        """Whether nothing more will come of this run."""
        return self._child.isFinished

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
            self._child.start(request)
        except BaseException as error:
            self._observations.stop()
            self._temporary.cleanup()
            if isinstance(error, OSError):
                raise EngineError(f"The scan cannot be handed over ({error}).") from error
            raise

    def wait(self):
        """Block until the result is in the scene.

        Returns
        -------
        vtkMRMLSegmentationNode

        Raises
        ------
        SkullStripError
            What ended the run.
        """
        self._child.wait()
        return self.segmentationNode

    def cancel(self) -> None:
        """End the child; the scene stays as it was."""
        self._child.cancel()

    def _observe(self) -> None:
        scene = self.volumeNode.GetScene()
        self._observations.add(scene, scene.StartCloseEvent, self._onSceneClose)
        self._observations.add(scene, scene.NodeAboutToBeRemovedEvent, self._onNodeRemoved)

    def _onSceneClose(self, _caller, _event) -> None:
        self._child.cancel("The scene was closed, which ended the run.")

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, _caller, _event, node) -> None:
        if node is self.volumeNode:
            self._child.cancel("The scan was removed from the scene, which ended the run.")

    def _onEvent(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress" and self._progress is not None:
            self._progress(event["stage"], event["done"], event["total"])

    def _onFinished(self, child: ChildRun) -> None:
        self._observations.stop()
        self.error = child.error
        if self.error is None:
            try:
                self.segmentationNode = self._deliver(child)
            except SkullStripError as error:
                self.error = child.error = error
            except Exception as error:  # noqa: BLE001  (whoever waits must hear that it is over)
                what = f"{type(error).__name__}: {error}"
                self.error = child.error = EngineError(
                    f"The result cannot be put into the scene ({what}); strip the scan again."
                )
        self._temporary.cleanup()
        if self._finished is not None:
            self._finished(self)

    def _deliver(self, child: ChildRun):
        extracted = read_extracted(self._folder / "output.npy")
        current = volumeFromNode(self.volumeNode).array.shape
        if not extracted.brain_mask.shape == current == self._shape:
            raise InputError("The scan was replaced while it was stripped; strip it again.")
        self.report = child.report or {}
        return self._onExtracted(extracted, self.report)


def temporaryPath() -> str | None:
    """Slicer's folder for temporary files; the system's where there is no application."""
    app = getattr(slicer, "app", None)
    return app.temporaryPath if app is not None else None
