"""What the module can do, for the panel and for scripts alike: exceptions, never dialogs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import slicer

from skullstrip.checks.input_checks import Check
from skullstrip.errors import InputError
from skullstrip.mask.clicks import Click
from skullstrip.options import Options

from . import outputs
from .batch import Batch, FolderBatch, ScanChanged, SceneBatch
from .border import BorderField
from .child_process import ChildProcess, Children
from .clicks import clicksIn
from .mask_files import saveMask
from .results import Result, Results
from .scene_scans import SceneHead, SceneScan, findHeads, findOtherScans
from .strip_run import AppliedMask, Progress, StripRun
from .volume_node import requireScalarVolume, spacingMm, volumeFromNode


class StripLogic:
    """Strip a scan of the scene, all heads of the scene, or a folder of files.

    Parameters
    ----------
    processFactory : callable
        Makes a child process; tests pass their own.

    Attributes
    ----------
    children : Children
        One of them stays for a while after a run.
    """

    def __init__(self, processFactory: Callable[[], ChildProcess] = ChildProcess) -> None:
        self.children = Children(processFactory)
        self.results = Results()

    def strip(
        self,
        volumeNode,
        outputSegmentation=None,
        outputVolume=None,
        outputProbability=None,
        outputConfidence=None,
        options: Options = Options(),
        *,
        invert: bool = False,
        brain: bool = False,
        probability: bool = False,
        confidence: bool = False,
        surface: bool = False,
        progress: Progress | None = None,
        finished: Callable[[StripRun], None] | None = None,
        applied: AppliedMask | None = None,
        **overrides: Any,
    ):
        """Find the brain in a volume and put it into the scene.

        Parameters
        ----------
        volumeNode : vtkMRMLScalarVolumeNode
        outputSegmentation : vtkMRMLSegmentationNode, optional
            Gets a segment "Brain"; by default ours of an earlier run, or a new node.
        outputVolume, outputProbability, outputConfidence : vtkMRMLScalarVolumeNode, optional
            Filled with the stripped scan, the brain probability and the confidence map; `undo`
            brings back what they held.
        options : Options
            As for `skullstrip.extract_brain`.
        invert : bool
            Make the stripped volume, with everything but the brain.
        brain, probability, confidence, surface : bool
            Also make the stripped volume, the probability map, the map of how likely each voxel's
            label is right (before border and CSF), the 3-D surface. Volumes of an earlier run
            that are still in the scene follow in any case.
        progress : callable, optional
            Gets (stage, done, total).
        finished : callable, optional
            With it the call returns at once; it gets the `StripRun`, with `error` or
            `segmentationNode`, when the run is over.
        applied : AppliedMask, optional
            Carry this mask to the volume instead; see `applyTo`.
        **overrides
            Options by name, as ``border_mm=2``; they go before those of `options`.

        Returns
        -------
        vtkMRMLSegmentationNode or StripRun
            The run where `finished` was given.

        Raises
        ------
        SkullStripError
            What is wrong, in one sentence; the scene is as it was.
        """
        requireScalarVolume(volumeNode)
        options = replace(options, **overrides)
        given = {
            outputs.BRAIN_ROLE: outputVolume,
            outputs.PROBABILITY_ROLE: outputProbability,
            outputs.CONFIDENCE_ROLE: outputConfidence,
        }
        outputs.requireOutputs(volumeNode, outputSegmentation, given)
        earlier = outputSegmentation or outputs.findSegmentation(volumeNode)
        before = outputs.readState(earlier)

        def isWanted(asked: bool, role: str) -> bool:
            return asked or given[role] is not None or outputs.isFilled(earlier, role)

        def deliver(extracted, report):
            outputs.requireOutputs(volumeNode, outputSegmentation, given)  # they may have gone
            # What was set on the earlier result while this run was on, goes before what was asked.
            since = {k: v for k, v in outputs.readState(earlier).items() if v != before.get(k)}
            inverted = since.get("invert", invert)
            wantsProbability = isWanted(probability, outputs.PROBABILITY_ROLE)
            result = Result(
                BorderField(extracted.brain_mask, spacingMm(volumeNode)),
                report,
                since.get("borderMm", options.border_mm),
                inverted,
                extracted.brain_probability if wantsProbability else None,
                extracted.brain_confidence,
                isWanted(brain or inverted, outputs.BRAIN_ROLE),
            )
            return self._deliver(volumeNode, outputSegmentation, result, given, surface)

        run = StripRun(
            volumeNode,
            options,
            self.children,
            deliver,
            progress,
            finished,
            confidence=applied is None and isWanted(confidence, outputs.CONFIDENCE_ROLE),
            applied=applied,
        )
        return _started(run, finished)

    def _deliver(self, volumeNode, segmentationNode, result: Result, given, surface: bool):
        if segmentationNode is None:
            segmentationNode = outputs.findSegmentation(volumeNode)
        with outputs.newNodes(volumeNode.GetScene()):
            created: list[str] = []
            if segmentationNode is None:
                with outputs.newNodes(volumeNode.GetScene()) as created:
                    segmentationNode = outputs.createSegmentation(volumeNode)
            with slicer.util.NodeModify(segmentationNode):
                self.results.add(segmentationNode, volumeNode, result, given, created)
            if surface:
                self.showSurface(segmentationNode)
        return segmentationNode

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
        self.children.end()  # its memory is the workers' now
        run = FolderBatch(inputFolder, outputFolder, options, self.children, scanChanged, finished)
        return _started(run, finished)

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

        def strip(scan: SceneScan, ended: Callable[[StripRun], None]) -> StripRun:
            if scan.frames is None:
                return self.strip(scan.volumeNode, options=options, finished=ended)
            frames = scan.frames

            def deliver(extracted, _report):
                return frames.add(scan, extracted.brain_mask, options.border_mm)

            run = StripRun(scan.volumeNode, options, self.children, deliver, finished=ended)
            return _started(run, ended)

        return _started(SceneBatch(scans, strip, scanChanged, finished), finished)

    findOtherScans = staticmethod(findOtherScans)

    def applyTo(
        self,
        segmentationNode,
        volumeNodes: Sequence[Any] | None = None,
        options: Options = Options(),
        *,
        scanChanged: ScanChanged | None = None,
        finished: Callable[[Batch], None] | None = None,
        **overrides: Any,
    ):
        """Give other volumes the mask of a result, as it is now, each in a segmentation of its own.

        Volumes and result stay where they are; linear parent transforms count.

        Parameters
        ----------
        segmentationNode : vtkMRMLSegmentationNode
            A result.
        volumeNodes : sequence of vtkMRMLScalarVolumeNode, optional
            By default those of `findOtherScans` in which some of the brain lies.
        options, **overrides
            As for `strip`; with ``register="rigid"`` the scans are aligned first.
        scanChanged, finished
            As for `stripScene`.

        Returns
        -------
        list of BatchScan, or Batch where `finished` was given

        Raises
        ------
        InputError
            There is no other volume, or the result lies elsewhere than its scan.
        """
        options = replace(replace(options, **overrides), border_mm=0.0)  # the mask has its border
        if volumeNodes is None:
            others = self.findOtherScans(segmentationNode)
            volumeNodes = [other.volumeNode for other in others if other.share]
        if not volumeNodes:
            raise InputError("No other scan in the scene shows this brain; load or choose one.")
        if outputs.hasMoved(segmentationNode):
            raise InputError("The scan was moved since it was stripped; strip it again first.")
        isEdited = outputs.isEdited(segmentationNode)
        mask = AppliedMask(
            volumeFromNode(outputs.sourceOf(segmentationNode)),
            outputs.brainMask(segmentationNode),
            "not judged"
            if isEdited
            else self.report(segmentationNode).get("verdict", "not judged"),
        )

        def strip(scan: SceneScan, ended: Callable[[StripRun], None]) -> StripRun:
            return self.strip(scan.volumeNode, options=options, applied=mask, finished=ended)

        scans = [SceneScan(node.GetName(), node) for node in volumeNodes]
        return _started(SceneBatch(scans, strip, scanChanged, finished), finished)

    def setBorder(self, segmentationNode, borderMm: float) -> None:
        """Move the surface of a result, in mm from where the network put it."""
        Options(border_mm=borderMm)  # refuses what is none
        self.results.change(segmentationNode, borderMm=borderMm)

    def setClicks(self, segmentationNode, clicks: Sequence[Click]) -> None:
        """Correct a result by clicks, all that it is to have, in their order.

        Parameters
        ----------
        clicks : sequence of Click
            As ``Click((right, anterior, superior), inside)``, world RAS in mm; none for the
            network's own mask.

        Raises
        ------
        InputError
            A click means nothing, or the segment was edited by hand; the result is as it was.
        """
        if tuple(clicks) != clicksIn(outputs.readState(segmentationNode)):
            self.results.change(segmentationNode, clicks)

    def setInvert(self, segmentationNode, invert: bool) -> None:
        """Keep everything but the brain in the stripped volume, which is made if need be."""
        self.results.change(segmentationNode, invert=invert, wantsBrain=True)

    def makeBrain(self, segmentationNode) -> None:
        """Make the stripped volume of a result that has none."""
        self.results.change(segmentationNode, wantsBrain=True)

    def undo(self, segmentationNode) -> bool:
        """Take the last run back; returns whether the segmentation is still there."""
        return self.results.undo(segmentationNode)

    def volumeMl(self, segmentationNode) -> float:
        """Return the volume of the segment "Brain" as it is now, edits included, in mL."""
        volumeNode = outputs.sourceOf(segmentationNode)
        return outputs.brainMl(segmentationNode, volumeNode) if volumeNode is not None else 0.0

    def describe(self, segmentationNode) -> tuple[float, tuple[Check, ...]]:
        """Return the volume of the segment "Brain" in mL, and what makes it doubtful.

        Returns
        -------
        volumeMl : float
            Voxels times voxel volume, as the segment is now.
        checks : tuple of Check
            What was noticed of the scan and of the mask; empty for an ordinary result.
        """
        return self.volumeMl(segmentationNode), outputs.noticed(self.report(segmentationNode))

    def report(self, segmentationNode) -> dict:
        """Return what the run said of its result: verdict, estimated Dice, reasons and more.

        Returns
        -------
        dict
            As `skullstrip.report` documents it; empty for a segmentation that is not ours. Its
            volume is the network's own, before the border moved.
        """
        return outputs.readReport(segmentationNode)

    saveMask = staticmethod(saveMask)

    def showSurface(self, segmentationNode) -> None:
        """Make the 3-D surface and show it."""
        segmentationNode.CreateClosedSurfaceRepresentation()
        segmentationNode.CreateDefaultDisplayNodes()
        segmentationNode.GetDisplayNode().SetVisibility3D(True)


def _started(run, finished: Callable[[Any], None] | None):
    """Start a run and return it, or what it gives where nobody is called at its end."""
    run.start()
    return run if finished is not None else run.wait()
