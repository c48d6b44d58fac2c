"""Many scans at once: a folder of files, or every head of the scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import slicer

from skullstrip.errors import InputError
from skullstrip.options import Options

from .batch import (
    Batch,
    FolderBatch,
    ScanChanged,
    namedFolder,
    requireFolders,
)
from .child_process import ChildProcess
from .scene_batch import SceneBatch
from .scene_scans import SceneHead, findHeads


class BatchLogic:
    """The part of `StripLogic` that strips many scans, with its `strip` and its `startRun`."""

    processFactory: Callable[[], ChildProcess]

    def stripFolder(
        self,
        inputFolder: str | Path,
        outputFolder: str | Path,
        options: Options = Options(),
        *,
        scanChanged: ScanChanged | None = None,
        finished: Callable[[Batch], None] | None = None,
        **overrides: Any,
    ):
        """Strip every image file in a folder and the folders in it, by `skullstrip batch`.

        What an earlier call has done is not done again.

        Parameters
        ----------
        inputFolder, outputFolder : path
            Each scan gives <name>_brain and <name>_brain_mask in the same place of the output,
            which also gets results.csv and report.html.
        options, **overrides
            As for `strip`.
        scanChanged : callable, optional
            Gets each `BatchScan` when it is first heard of and when its state changes.
        finished : callable, optional
            As for `strip`; it gets the `Batch`, whose `report` is the page.

        Returns
        -------
        list of BatchScan, or Batch where `finished` was given

        Raises
        ------
        SkullStripError
            The folders are at fault, or no scan can be stripped at all.
        """
        options = replace(options, **overrides)
        source, target = namedFolder(inputFolder), namedFolder(outputFolder)
        requireFolders(source, target)
        process = self.processFactory()
        run = FolderBatch(source, target, options, process, scanChanged, finished)
        run.start()
        return run if finished is not None else run.wait()

    def findHeads(self) -> list[SceneHead]:
        """Find what `stripScene` may take: volumes, and sequences of volumes.

        Returns
        -------
        list of SceneHead
            With what is known of each; `isLikely` is False for what looks like CT or stripped.
        """
        return findHeads(slicer.mrmlScene)

    def stripScene(
        self,
        heads: Sequence[SceneHead] | None = None,
        options: Options = Options(),
        *,
        scanChanged: ScanChanged | None = None,
        finished: Callable[[Batch], None] | None = None,
        **overrides: Any,
    ):
        """Strip every head of the scene, and each frame of its sequences of heads.

        A volume gets a segmentation node, as by `strip`; a sequence gets a sequence of
        segmentations, which its browser plays along.

        Parameters
        ----------
        heads : sequence of SceneHead, optional
            Those of `findHeads` to take; all that are likely by default.

        Returns
        -------
        list of BatchScan, or Batch where `finished` was given

        Raises
        ------
        InputError
            There is no head.
        """
        options = replace(options, **overrides)
        if heads is None:
            heads = [head for head in self.findHeads() if head.isLikely]
        scans = [scan for head in heads for scan in head.scans]
        if not scans:
            raise InputError("The scene has no head MRI; load one.")
        run = SceneBatch(self, scans, options, scanChanged, finished)
        run.start()
        return run if finished is not None else run.wait()
