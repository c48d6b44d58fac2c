"""What the module can do, for the panel and for scripts alike: exceptions, never dialogs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import slicer

from skullstrip.errors import InputError
from skullstrip.mask.clicks import Click
from skullstrip.options import Options

from . import outputs, results
from .border import BorderField
from .child_process import ChildProcess, Children
from .runs import AppliedMask, Batch, FolderBatch, Progress, ScanChanged, SceneBatch, StripRun
from .scene_scans import SceneHead, SceneScan, findHeads, findOtherScans
from .voxels import requireScalarVolume, requireUnwarped, volumeFromNode

MAPS = {  # of `BrainExtraction`, by the role of the volume that gets them
    outputs.PROBABILITY_ROLE: "brain_probability",
    outputs.CONFIDENCE_ROLE: "brain_confidence",
}


class StripLogic:
    """Strip a scan of the scene, all heads of the scene, or a folder of files.

    Whatever runs the network waits for what comes of it, or raises SkullStripError, one sentence;
    with `finished` it returns its run at once, and `finished` gets that, with `error`, at its end.
    `options`, and `overrides` by name (``border_mm=2``), are those of `skullstrip.extract_brain`;
    `scanChanged` gets a `BatchScan` when it is first heard of and when its state changes.

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
        """Find the brain in a volume and put it into the scene, which stays as it was on an error.

        Parameters
        ----------
        volumeNode : vtkMRMLScalarVolumeNode
        outputSegmentation : vtkMRMLSegmentationNode, optional
            Gets a segment "Brain"; by default ours of an earlier run, or a new node.
        outputVolume, outputProbability, outputConfidence : vtkMRMLScalarVolumeNode, optional
            Filled with the stripped scan, the brain probability and the confidence map; `undo`
            brings back what they held.
        invert : bool
            Make the stripped volume, with everything but the brain.
        brain, probability, confidence, surface : bool
            Also make the stripped volume, the probability map, the map of how likely each voxel's
            label is right (before border and CSF), the 3-D surface. Volumes of an earlier run
            that are still in the scene follow in any case.
        progress : callable, optional
            Gets (stage, done, total).
        applied : AppliedMask, optional
            Carry this mask to the volume instead; see `applyTo`.

        Returns
        -------
        vtkMRMLSegmentationNode or StripRun
            The run, whose `segmentationNode` it is, where `finished` was given.
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

        asked = {
            outputs.BRAIN_ROLE: brain,
            outputs.PROBABILITY_ROLE: probability,
            outputs.CONFIDENCE_ROLE: confidence,
        }

        def isWanted(role: str) -> bool:
            return asked[role] or given[role] is not None or outputs.isFilled(earlier, role)

        roles = [role for role in MAPS if isWanted(role)]
        if applied is not None:  # nobody knows how likely a label is right that was carried over
            roles = [role for role in roles if role != outputs.CONFIDENCE_ROLE]

        def deliver(brainMask, maps, report):
            outputs.requireOutputs(volumeNode, outputSegmentation, given)  # they may have gone
            # What was set on the earlier result while this run was on, goes before what was asked.
            since = {k: v for k, v in outputs.readState(earlier).items() if v != before.get(k)}
            state: dict[str, Any] = {"borderMm": options.border_mm, "invert": invert}
            state |= {key: since[key] for key in state if key in since}
            with outputs.newNodes(volumeNode.GetScene()):  # which go where the surface fails
                segmentationNode = results.add(
                    volumeNode,
                    outputSegmentation or outputs.findSegmentation(volumeNode),
                    BorderField(brainMask, volumeNode),
                    state | {"report": report},
                    dict(zip(roles, maps, strict=True)),
                    given,
                    brain=state["invert"] or isWanted(outputs.BRAIN_ROLE),
                )
                if surface:
                    self.showSurface(segmentationNode)
            return segmentationNode

        run = StripRun(
            volumeNode,
            options,
            self.children,
            deliver,
            progress,
            finished,
            maps=[MAPS[role] for role in roles],
            applied=applied,
        )
        run.start()
        if earlier is not None:
            outputs.isEdited(earlier)  # reads it, while the network runs: nobody may have told
        return run if finished is not None else run.wait()

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

        Returns
        -------
        list of BatchScan, or Batch, whose `report` is the page
        """
        options = replace(options, **overrides)
        self.children.end()  # its memory is the workers' now
        run = FolderBatch(inputFolder, outputFolder, options, self.children, scanChanged, finished)
        return _started(run, finished)

    def findHeads(self) -> list[SceneHead]:
        """Find the volumes and sequences of volumes that `stripScene` may take."""
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
        list of BatchScan, or Batch
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

            def deliver(brainMask, _maps, _report):
                return frames.add(scan, brainMask, options.border_mm)

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

        Volumes and result stay where they are; linear parent transforms count, others are refused.

        Parameters
        ----------
        segmentationNode : vtkMRMLSegmentationNode
            A result.
        volumeNodes : sequence of vtkMRMLScalarVolumeNode, optional
            By default those of `findOtherScans` in which some of the brain lies.
        options : Options
            With ``register="rigid"`` the scans are aligned first.

        Returns
        -------
        list of BatchScan, or Batch
        """
        options = replace(replace(options, **overrides), border_mm=0.0)  # the mask has its border
        if volumeNodes is None:
            others = self.findOtherScans(segmentationNode)
            volumeNodes = [other.volumeNode for other in others if other.share]
        if not volumeNodes:
            raise InputError("No other scan in the scene shows this brain; load or choose one.")
        source = outputs.requireSource(segmentationNode)
        if outputs.hasMoved(segmentationNode):
            raise InputError("The scan was moved since it was stripped; strip it again first.")
        scan = volumeFromNode(source)
        report = {} if outputs.isEdited(segmentationNode) else self.report(segmentationNode)
        verdict = report.get("verdict", "not judged")
        mask = AppliedMask(scan, outputs.brainMask(segmentationNode), verdict)

        def strip(scan: SceneScan, ended: Callable[[StripRun], None]) -> StripRun:
            if scan.volumeNode.GetTransformNodeID() != source.GetTransformNodeID():
                requireUnwarped(source)
                requireUnwarped(scan.volumeNode)
            return self.strip(scan.volumeNode, options=options, applied=mask, finished=ended)

        scans = [SceneScan(node.GetName(), node) for node in volumeNodes]
        return _started(SceneBatch(scans, strip, scanChanged, finished), finished)

    def setBorder(self, segmentationNode, borderMm: float) -> None:
        """Move the surface of a result, in mm from where the network put it."""
        Options(border_mm=borderMm)  # refuses what is none
        results.change(segmentationNode, borderMm=borderMm)

    def setClicks(self, segmentationNode, clicks: Sequence[Click]) -> None:
        """Correct a result by clicks, all that it is to have, in their order.

        A click is ``Click((right, anterior, superior), inside)``, world RAS in mm; without any the
        mask is the network's own. Raises InputError where a click means nothing, or the segment was
        edited by hand; the result is as it was then.
        """
        if tuple(clicks) != results.clicksIn(outputs.readState(segmentationNode)):
            results.change(segmentationNode, clicks)

    def setInvert(self, segmentationNode, invert: bool) -> None:
        """Keep everything but the brain in the stripped volume, which is made if need be."""
        results.change(segmentationNode, invert=invert, brain=True)

    def makeBrain(self, segmentationNode) -> None:
        """Make the stripped volume of a result that has none."""
        results.change(segmentationNode, brain=True)

    def undo(self, segmentationNode) -> bool:
        """Take the last run back; returns whether the segmentation is still there."""
        return results.undo(segmentationNode)

    def volumeMl(self, segmentationNode) -> float:
        """Return the volume of the segment "Brain" as it is now, edits included, in mL."""
        return outputs.brainMl(segmentationNode)

    def report(self, segmentationNode) -> dict:
        """Return what the run said of its result, as `skullstrip.report` documents it.

        It is empty for a segmentation that is not ours; its volume is the network's own, before the
        border moved.
        """
        return outputs.readReport(segmentationNode)

    saveMask = staticmethod(results.saveMask)

    def showSurface(self, segmentationNode) -> None:
        """Make the 3-D surface and show it."""
        segmentationNode.CreateClosedSurfaceRepresentation()
        segmentationNode.CreateDefaultDisplayNodes()
        segmentationNode.GetDisplayNode().SetVisibility3D(True)


def _started(run, finished: Callable[[Any], None] | None):
    """Start a run and return it, or what it gives where nobody is called at its end."""
    run.start()
    return run if finished is not None else run.wait()
