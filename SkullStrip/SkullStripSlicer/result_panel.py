"""The panel's result: what was found, in words, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from . import outputs
from .border import MAX_BORDER_MM, MIN_BORDER_MM
from .panel import NodesObserver, Panel, say, timer, told
from .result_text import describe

SURFACE_DELAY_MS = 400  # the surface follows once the slider rests
DRAW_DELAY_MS = 100  # what changes the segment by hand does so many times a second
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

    What changes while the module's `page` is left is drawn when it is opened again. `drawn` gets
    the result that was drawn, or None.
    """

    def __init__(self, ui, logic, page, drawn: Callable[[Any], None]) -> None:
        super().__init__(ui, ui.resultNotice)
        self._logic, self._page, self._onDrawn = logic, page, drawn
        self._observer = NodesObserver("vtkMRMLSegmentationNode", self.drawSoon, EVENTS)
        self._drawn: Any = None
        self._isBusy = False
        self._places: list = []
        self._surfaceTimer = timer(SURFACE_DELAY_MS, self._updateSurface)
        self._drawTimer = timer(DRAW_DELAY_MS, self.draw)
        ui.showButton.connect("clicked()", self.showPlace)
        ui.editButton.connect("clicked()", self.edit)
        ui.undoButton.connect("clicked()", self.undo)
        ui.saveButton.connect("clicked()", self.save)
        ui.exportButton.connect("clicked()", self.export)

    def setParameterNode(self, parameterNode) -> None:
        """Work on these settings; None while there are none."""
        super().setParameterNode(parameterNode)
        self._surfaceTimer.stop()
        self._drawTimer.stop()
        self._observer.stop()
        if parameterNode is not None:
            self._observer.start(slicer.mrmlScene)

    @property
    def segmentation(self):
        """The newest result of the chosen scan, or None."""
        volume = self._parameterNode.inputVolume if self._parameterNode is not None else None
        return outputs.newestSegmentation(volume) if volume is not None else None

    def drawSoon(self) -> None:
        """Draw once what changes the scene rests; when the module is opened, if it is left."""
        if not self._isBusy and self._page.isEntered:
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
        self._onDrawn(segmentation)

    def _drawResult(self, segmentation, *, isOther: bool) -> None:
        ui = self._ui
        with self._busy():
            self._readSettings(segmentation, isOther=isOther)
        found = describe(segmentation)
        say(ui.resultLabel, found.line, found.tone)
        ui.resultLabel.toolTip = ui.detailsLabel.text = found.details
        said = ui.inputNotice.text
        messages = [f"• {c.message}" for c in found.warnings if c.message not in said]
        say(ui.warningLabel, "\n".join(messages), "warning")
        self._places = [check.position_ras for check in found.warnings if check.position_ras]
        ui.showButton.visible = bool(self._places)
        ui.undoButton.enabled = not found.isEdited and self._logic.results.remembers(segmentation)
        self._applySurface(segmentation)

    def _readSettings(self, segmentation, *, isOther: bool) -> None:
        node, state = self._parameterNode, outputs.readState(segmentation)
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
        segmentation, node = self.segmentation, self._parameterNode
        asked = (
            (outputs.PROBABILITY_ROLE, "makeProbability", _("Probability")),
            (outputs.CONFIDENCE_ROLE, "makeConfidence", _("Confidence")),
        )
        waiting = [
            words
            for role, setting, words in asked
            if segmentation is not None
            and getattr(node, setting)
            and segmentation.GetNodeReference(role) is None
        ]
        text = _("Comes with the next run: {names}.").format(names=", ".join(waiting))
        say(self._ui.alsoNotice, text if waiting else "")

    def _applyMask(self, segmentation) -> bool:
        """Return whether anything had to change."""
        node, state = self._parameterNode, outputs.readState(segmentation)
        changes: dict[str, Any] = {}
        if node.makeBrain and not _hasBrain(segmentation):
            changes["wantsBrain"] = True
        if _shownBorder(state) != node.borderMm:
            changes["borderMm"] = node.borderMm
        if bool(state.get("invert")) != node.invert:
            changes |= {"invert": node.invert, "wantsBrain": True}
        if changes:
            self._logic.results.change(segmentation, **changes)
            self.awaitSurface()
        return bool(changes)

    def _applySurface(self, segmentation) -> None:
        display = segmentation.GetDisplayNode()
        if display is None:
            return
        if not self._parameterNode.showSurface:
            self._surfaceTimer.stop()
            display.SetVisibility3D(False)
            return
        if not _showsSurface(segmentation) and not self._surfaceTimer.isActive():
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

    @told
    def showPlace(self) -> None:
        """Move the slices to the next place that a warning is about."""
        place = self._places.pop(0)
        self._places.append(place)
        view = slicer.vtkMRMLSliceNode
        view.JumpAllSlices(slicer.mrmlScene, *place, view.CenteredJumpSlice)

    @told
    def undo(self) -> None:
        """Take the last run back and show what is left, with its settings."""
        with self._busy():
            self._logic.undo(self.segmentation)
        self.awaitSurface()
        self.draw()

    @told
    def edit(self) -> None:
        """Open the result in the Segment Editor."""
        segmentation = self.segmentation
        slicer.util.selectModule("SegmentEditor")
        editor = slicer.modules.SegmentEditorWidget.editor
        editor.setSegmentationNode(segmentation)
        editor.setSourceVolumeNode(outputs.sourceOf(segmentation))

    @told
    def save(self) -> None:
        """Ask for a file and write the mask into it."""
        segmentation = self.segmentation
        volume = outputs.sourceOf(segmentation)
        storage = volume.GetStorageNode()
        folder = Path(storage.GetFileName() or "").parent if storage is not None else Path()
        path = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(),
            _("Save the mask"),
            str(folder / f"{volume.GetName()}_brain_mask.nii.gz"),
            "NIfTI (*.nii.gz *.nii);;NRRD (*.nrrd);;Segmentation (*.seg.nrrd)",
        )
        if path:  # the dialog has asked whether to overwrite
            self._logic.saveMask(segmentation, path, overwrite=True)
            self._say(_("Saved as {path}.").format(path=path), "good")

    @told
    def export(self) -> None:
        """Open Slicer's own DICOM export with the result chosen."""
        scene = slicer.mrmlScene
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        dialog = slicer.qSlicerDICOMExportDialog(None)
        dialog.setMRMLScene(scene)
        dialog.execDialog(hierarchy.GetItemByDataNode(self.segmentation))


def _shownBorder(state) -> float:
    """Return the border within what the slider can show."""
    return min(max(float(state.get("borderMm", 0.0)), MIN_BORDER_MM), MAX_BORDER_MM)


def _showsSurface(segmentation) -> bool:
    display = segmentation.GetDisplayNode()
    isVisible = display is not None and bool(display.GetVisibility3D())
    return isVisible and outputs.hasSurface(segmentation)


def _hasBrain(segmentation) -> bool:
    return segmentation.GetNodeReference(outputs.BRAIN_ROLE) is not None
