"""Many scans at once: a folder of files, or every T1 of the scene."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer

from skullstrip.errors import InputError
from skullstrip.pipeline import validate_options
from skullstrip.prepare.reorient import Reorient

from .batch import (
    Batch,
    CommandBatch,
    ScanChanged,
    commandArguments,
    hasBatchPackages,
    namedFolder,
    requireFolders,
)
from .batch_serial import SerialBatch
from .frame import frameSegmentation
from .scene_batch import SceneBatch
from .scene_scans import SceneScan, findSceneScans
from .strip_run import StripRun, methodOptions


class BatchLogic:
    """The part of `StripLogic` that strips many scans, with its `strip` and its `startRun`."""

    def stripFolder(
        self,
        inputFolder: str | Path,
        outputFolder: str | Path,
        *,
        borderMm: float = 0.0,
        keepCsf: bool = True,
        reorient: Reorient = "off",
        views: int = 1,
        engine: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        weights: str | None = None,
        scanChanged: ScanChanged | None = None,
        finished: Callable[[Batch], None] | None = None,
    ):
        """Strip every image file in a folder and the folders in it, by `skullstrip batch`.

        What an earlier call has done is not done again. Where the packages that the command needs
        are not installed, scans go one after another, and no report page is made.

        Parameters
        ----------
        inputFolder, outputFolder : path
            Each scan gives <name>_brain and <name>_brain_mask in the same place of the output,
            which also gets results.csv and report.html.
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
        validate_options(borderMm, views, reorient)
        source, target = namedFolder(inputFolder), namedFolder(outputFolder)
        requireFolders(source, target)
        options = {"border_mm": borderMm} | methodOptions(
            keepCsf=keepCsf,
            reorient=reorient,
            views=views,
            engine=engine,
            device=device,
            threads=threads,
            weights=weights,
        )
        process = self.processFactory()
        run: CommandBatch | SerialBatch
        if hasBatchPackages():
            arguments = commandArguments(source, target, options)
            run = CommandBatch(arguments, process, scanChanged, finished)
        else:
            run = SerialBatch(source, target, options, process, scanChanged, finished)
        run.start()
        return run if finished is not None else run.wait()

    def stripScene(
        self,
        *,
        borderMm: float = 0.0,
        keepCsf: bool = True,
        reorient: Reorient = "off",
        views: int = 1,
        engine: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        weights: str | None = None,
        scanChanged: ScanChanged | None = None,
        finished: Callable[[Batch], None] | None = None,
    ):
        """Strip every T1 volume of the scene, and each frame of its sequences of T1 volumes.

        A volume gets a segmentation node, as by `strip`; a sequence gets a sequence of
        segmentations, which its browser plays along. `scene_scans` says what counts as a T1.

        Returns
        -------
        list of BatchScan, or Batch where `finished` was given

        Raises
        ------
        InputError
            The scene has no T1 scan.
        """
        validate_options(borderMm, views, reorient)
        found = findSceneScans(slicer.mrmlScene)
        if not found:
            raise InputError("The scene has no T1-weighted scan; load one.")
        asked = {
            "keepCsf": keepCsf,
            "reorient": reorient,
            "views": views,
            "engine": engine,
            "device": device,
            "threads": threads,
            "weights": weights,
        }

        def strip(scan: SceneScan, done: Callable[[StripRun], None]) -> StripRun:
            if scan.frames is None:
                return self.strip(scan.volumeNode, borderMm=borderMm, **asked, finished=done)

            def deliver(extracted, _report):
                frame = frameSegmentation(scan.volumeNode, extracted.brain_mask, borderMm)
                return scan.frames.add(frame, scan.index)

            return self.startRun(scan.volumeNode, methodOptions(**asked), deliver, None, done)

        run = SceneBatch(found, strip, self._volumeOf, scanChanged, finished)
        run.start()
        return run if finished is not None else run.wait()

    def _volumeOf(self, node) -> float | None:
        """Volume in mL; none for the frame of a sequence."""
        return self.volumeMl(node) if node.IsA("vtkMRMLSegmentationNode") else None
