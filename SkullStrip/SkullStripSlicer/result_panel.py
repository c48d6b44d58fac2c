"""The panel's result: what was found, in words, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from skullstrip.quality.verdict import judged_mask

from . import outputs, results
from .border import MAX_BORDER_MM, MIN_BORDER_MM
from .panel import DRAW_DELAY_MS, NodesObserver, Panel, say, timer, told
from .voxels import ALGORITHM_TYPE

SURFACE_DELAY_MS = 400  # the surface follows once the slider rests
EVENTS = (
    vtk.vtkCommand.ModifiedEvent,
    slicer.vtkSegmentation.SegmentAdded,
    slicer.vtkSegmentation.SegmentRemoved,
    slicer.vtkSegmentation.SegmentModified,
    slicer.vtkSegmentation.SourceRepresentationModified,
)


class ResultPanel(Panel):
    """Draws the newest result of the chosen scan from the scene, and brings it in line with wishes.

    A wish is a setting that the user changed. One that is refused is taken back, so that the
    widgets show what is.

    What changes while the module is left is drawn when it is opened again.
    """

    def __init__(self, widget) -> None:
        super().__init__(widget, widget.ui.resultNotice)
        self._observers = (NodesObserver("vtkMRMLSegmentationNode", self.drawSoon, EVENTS),)
        self._drawn: Any = None
        self._isBusy = False
        self._places: list = []
        self._surfaceTimer = timer(SURFACE_DELAY_MS, self._updateSurface)
        self._drawTimer = timer(DRAW_DELAY_MS, self.draw)
        self._connect(showButton=self._showPlace, editButton=self._edit, undoButton=self._undo)
        self._connect(saveButton=self._save, exportButton=self._export)

    def setScene(self, scene) -> None:
        """Observe this scene; None while it is closed."""
        super().setScene(scene)
        self._surfaceTimer.stop()
        self._drawTimer.stop()

    @property
    def segmentation(self):
        """The newest result of the chosen scan, or None."""
        volume = self._parameterNode.inputVolume if self._parameterNode is not None else None
        return next(iter(outputs.segmentationsOf(volume)), None) if volume is not None else None

    def drawSoon(self) -> None:
        """Draw once what changes the scene rests; when the module is opened, if it is left."""
        if not self._isBusy and self._widget.parent.isEntered:
            self._drawTimer.start()

    def drawAfterRun(self) -> None:
        """Draw what a run has brought; a wish that was ticked meanwhile comes true, too."""
        wished = self._parameterNode is not None and self._parameterNode.makeBrain
        self.awaitSurface()
        self.draw()
        if wished:
            self._parameterNode.makeBrain = True

    @told
    def draw(self) -> None:
        """Show the result as it is in the scene, with its settings; nothing without one."""
        self._drawTimer.stop()
        ui, segmentation = self._ui, self.segmentation
        isOther, self._drawn = segmentation is not self._drawn, segmentation
        ui.resultBox.visible = segmentation is not None
        self._say("")
        self._showWaiting()
        if segmentation is not None:
            self._drawResult(segmentation, isOther=isOther)
        self._widget.onResultDrawn(segmentation)

    def _drawResult(self, segmentation, *, isOther: bool) -> None:
        ui, state = self._ui, outputs.readState(segmentation)
        with self._busy():
            self._readSettings(segmentation, state, isOther=isOther)
        isEdited = outputs.isEdited(segmentation, told=True)
        volumeMl = outputs.brainMl(segmentation)
        say(ui.resultLabel, *headline(volumeMl, state, isEdited=isEdited))
        ui.resultLabel.toolTip = ui.detailsLabel.text = "\n".join(details(volumeMl, state))
        checks = outputs.noticed(state.get("report", {}))
        warnings = [check for check in checks if check.severity != "note" and not isEdited]
        said = ui.inputNotice.text
        messages = [f"• {check.message}" for check in warnings if check.message not in said]
        if outputs.hasMoved(segmentation):
            moved = _("The scan was moved or cropped since; strip it again.")
            messages.insert(0, f"• {moved}")
        say(ui.warningLabel, "\n".join(messages), "warning")
        self._places = [check.position_ras for check in warnings if check.position_ras]
        ui.showButton.visible = bool(self._places)
        ui.undoButton.enabled = not isEdited and results.remembers(segmentation)
        self._applySurface(segmentation)

    def _readSettings(self, segmentation, state, *, isOther: bool) -> None:
        node = self._parameterNode
        with slicer.util.NodeModify(node):
            node.borderMm = _shownBorder(state)
            node.invert = bool(state.get("invert"))
            if isOther:
                node.makeBrain = _hasBrain(segmentation)
                node.showSurface = node.showSurface or _showsSurface(segmentation)
            elif not self._surfaceTimer.isActive():
                node.showSurface = _showsSurface(segmentation)

    @told
    def apply(self) -> None:
        """Bring the result in line with the settings, after one of them changed."""
        segmentation = self.segmentation
        if self._isBusy:
            return
        if segmentation is not self._drawn:
            self.draw()
            return
        self._showWaiting()
        if segmentation is None:
            return
        try:
            with self._busy():
                isChanged = self._applyMask(segmentation)
        except Exception:
            self.draw()  # which sets the widgets back
            raise
        if isChanged:
            self.draw()
        else:
            self._applySurface(segmentation)

    def _showWaiting(self) -> None:
        """Say what is ticked and only comes with another run; a stripped scan comes at once."""
        segmentation, node, waiting = self.segmentation, self._parameterNode, []
        if segmentation is not None and not self._widget.runPanel.isRunning:
            asked = (
                (node.makeProbability, outputs.PROBABILITY_ROLE, _("Probability")),
                (node.makeConfidence, outputs.CONFIDENCE_ROLE, _("Confidence")),
            )
            has = segmentation.GetNodeReference
            waiting = [words for isAsked, role, words in asked if isAsked and has(role) is None]
        text = _("Comes with the next run: {names}.").format(names=", ".join(waiting))
        say(self._ui.alsoNotice, text if waiting else "")

    def _applyMask(self, segmentation) -> bool:
        """Return whether anything had to change."""
        node, state = self._parameterNode, outputs.readState(segmentation)
        changes: dict[str, Any] = {}
        if node.makeBrain and not _hasBrain(segmentation):
            changes["brain"] = True
        if _shownBorder(state) != node.borderMm:
            changes["borderMm"] = node.borderMm
        if bool(state.get("invert")) != node.invert:
            changes |= {"invert": node.invert, "brain": True}
        if changes:
            results.change(segmentation, **changes)
            self.awaitSurface()
        return bool(changes)

    def _applySurface(self, segmentation) -> None:
        display = segmentation.GetDisplayNode()
        if display is None:
            return
        if not self._parameterNode.showSurface:
            self._surfaceTimer.stop()
            display.SetVisibility3D(False)
        elif not _showsSurface(segmentation) and not self._surfaceTimer.isActive():
            self._updateSurface()
            slicer.util.resetThreeDViews()

    def awaitSurface(self) -> None:
        """Make the surface again soon, if it is wished for: what changes a mask drops it."""
        if self._parameterNode is not None and self._parameterNode.showSurface:
            self._surfaceTimer.start()

    @told
    def _updateSurface(self) -> None:
        segmentation = self.segmentation
        if segmentation is not None and self._parameterNode.showSurface:
            with self._busy():
                self._logic.showSurface(segmentation)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        """Take what changes meanwhile for our own doing."""
        was, self._isBusy = self._isBusy, True
        try:
            yield
        finally:
            self._isBusy = was

    def tell(self, text: str) -> None:
        """Show what went wrong."""
        self._ui.resultBox.visible = True
        super().tell(text)

    def _showPlace(self) -> None:
        """Move the slices to the next place that a warning is about."""
        place = self._places.pop(0)
        self._places.append(place)
        view = slicer.vtkMRMLSliceNode
        view.JumpAllSlices(slicer.mrmlScene, *place, view.CenteredJumpSlice)

    def _undo(self) -> None:
        with self._busy():
            self._logic.undo(self.segmentation)
        self.awaitSurface()
        self.draw()

    def _edit(self) -> None:
        segmentation = self.segmentation
        slicer.util.selectModule("SegmentEditor")
        editor = slicer.modules.SegmentEditorWidget.editor
        editor.setSegmentationNode(segmentation)
        editor.setSourceVolumeNode(outputs.sourceOf(segmentation))

    def _save(self) -> None:
        segmentation = self.segmentation
        volume = outputs.sourceOf(segmentation)
        storage = volume.GetStorageNode()
        folder = Path(storage.GetFileName() or "").parent if storage is not None else Path()
        path = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(),
            _("Save the mask"),
            str(folder / f"{volume.GetName()}_brain_mask.nii.gz"),
            "NIfTI, NRRD, Slicer (*.nii.gz *.nii *.nrrd *.seg.nrrd)",
        )
        if path:  # the dialog has asked whether to overwrite that, and nothing else
            whole = path if Path(path).suffix else f"{path}.nii.gz"
            self._logic.saveMask(segmentation, whole, overwrite=whole == path)
            self._say(_("Saved as {path}.").format(path=whole), "good")

    def _export(self) -> None:
        """Open Slicer's own DICOM export with the result chosen, which says how it was made."""
        scene, segmentation = slicer.mrmlScene, self.segmentation
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        segment = segmentation.GetSegmentation().GetSegment(outputs.segmentOf(segmentation))
        isByHand = outputs.isEdited(segmentation) or outputs.readState(segmentation).get("clicks")
        segment.SetTag(ALGORITHM_TYPE, "SEMIAUTOMATIC" if isByHand else "AUTOMATIC")
        dialog = slicer.qSlicerDICOMExportDialog(None)
        dialog.setMRMLScene(scene)
        dialog.execDialog(hierarchy.GetItemByDataNode(segmentation))


def _shownBorder(state) -> float:
    """Return the border within what the slider can show."""
    return min(max(float(state.get("borderMm", 0.0)), MIN_BORDER_MM), MAX_BORDER_MM)


def _showsSurface(segmentation) -> bool:
    display = segmentation.GetDisplayNode()
    isVisible = display is not None and bool(display.GetVisibility3D())
    return isVisible and outputs.hasSurface(segmentation)


def _hasBrain(segmentation) -> bool:
    return segmentation.GetNodeReference(outputs.BRAIN_ROLE) is not None


def headline(volumeMl: float, state, *, isEdited: bool) -> tuple[str, str]:
    """Return a result in a line, as "Brain 1648 mL (± 24). Looks right.", and its tone."""
    report = state.get("report", {})
    volume = _("Brain {volume} mL").format(volume=f"{volumeMl:.0f}")
    if isEdited or state.get("clicks"):
        words = _("Edited by hand.") if isEdited else _("Corrected by clicks.")
        return f"{volume}. {words}", ""
    if report.get("volume_error_ml") is not None and not state.get("borderMm"):
        volume += f" (± {report['volume_error_ml']:.0f})"
    verdicts = {
        "pass": (_("Looks right."), "good"),
        "check": (_("Look at it before you use it."), "warning"),
        "fail": (_("Do not use it as it is."), "error"),
    }
    unjudged = "check" if outputs.noticed(report) else ""
    words, tone = verdicts.get(report.get("verdict", unjudged), ("", ""))
    return f"{volume}. {words}".strip(), tone


def details(volumeMl: float, state) -> list[str]:
    """Return the rest that is known of a result, in lines."""
    report, checks = state.get("report", {}), outputs.noticed(state.get("report", {}))
    lines = [_("Volume: {volume} mL").format(volume=f"{volumeMl:.1f}")]
    dice, error = report.get("dice_estimate"), report.get("dice_error")
    if dice is not None and error is not None:
        text = _("Estimated Dice with a careful reference: {dice} ± {error}")
        lines.append(text.format(dice=f"{dice:.3f}", error=f"{error:.3f}"))
    if report.get("overlap") is not None:
        text = _("Carried over; its Dice with what the network finds here: {dice}")
        lines.append(text.format(dice=f"{report['overlap']:.3f}"))
    changed = {
        "before border": _("Judged before the border moved."),
        "before CSF": _("Judged before fluid was taken off."),
        "before CSF and border": _("Judged before fluid was taken off and the border moved."),
    }.get(judged_mask(state.get("borderMm", 0.0), report.get("keep_csf", True)))
    lines += [changed] if changed else []
    lines += [_("Judged before it was corrected.")] if state.get("clicks") else []
    if state.get("borderMm"):
        lines.append(_("Border moved by {border} mm").format(border=f"{state['borderMm']:+.1f}"))
    lines += [check.message for check in checks] or [_("Nothing unusual was noticed.")]
    if report.get("engine"):
        text = _("Network run by {engine} on {device}, weights {weights}; it saw {slices}")
        shown = {
            "engine": report["engine"],
            "device": report.get("device", "?"),
            "weights": (report.get("weights_sha256") or "?")[:8],
            "slices": report.get("views_used") or "?",
        }
        lines.append(text.format(**shown))
    return lines
