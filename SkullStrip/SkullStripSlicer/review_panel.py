"""The batch part's review: doubtful masks one by one, corrected in Slicer's own Segment Editor."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from skullstrip.batch.report_page import CSV_TABLE
from skullstrip.batch.review import Case, Review
from skullstrip.batch.tables import ACCEPT, REJECT
from skullstrip.errors import InputError
from skullstrip.io.images import Image

from . import outputs, results
from .batch_panel import stateWords, verdictWords
from .panel import DRAW_DELAY_MS, Panel, sentence, timer, told
from .voxels import SCALAR, digest, readMask, writeMask

RATER_KEY = "SkullStrip/Rater"
EFFECTS = ("Paint", "Erase", "Scissors", "Islands", "Smoothing", "Margin")


class ReviewPanel(Panel):
    """Shows one scan of a batch after the other; what is corrected is saved or asked about."""

    def __init__(self, widget) -> None:
        super().__init__(widget, widget.ui.reviewNotice)
        self._review: Any = None
        self._at = 0
        self._scan: Any = None
        self._views: Any = None
        self._exitFilter = ExitFilter(self._onExit)
        self._mayEnd = False
        self._scrollTimer = timer(2 * DRAW_DELAY_MS, self._scroll)  # after the result is drawn
        ui = self._ui
        ui.raterEdit.text = slicer.app.userSettings().value(RATER_KEY) or ""
        ui.raterEdit.connect("editingFinished()", self._keepRater)
        ui.reviewEditor.setEffectNameOrder(EFFECTS)
        self._connect(
            reviewButton=self._onClicked,
            previousButton=self._goBack,
            nextButton=self._goOn,
            acceptButton=lambda: self._decide(ACCEPT),
            rejectButton=lambda: self._decide(REJECT),
            correctionButton=self._onSaveClicked,
        )
        self._draw()

    @property
    def _case(self) -> Case:
        return self._review.cases[self._at]

    def _onClicked(self) -> None:
        """End the review that is on, or choose a batch and begin where it was left."""
        if self._review is not None:
            if self._settle():
                self._end()
            return
        node = self._parameterNode
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(),
            _("Open the results of a batch"),
            str(Path(node.batchOutput.strip()) / CSV_TABLE),
            f"{CSV_TABLE} (*.csv)",
        )
        if path:
            self._widget.advancedPanel.ensurePackages()
            review = Review(Path(path))
            self._prepareEditor()
            self._review, self._views = review, Views(slicer.mrmlScene)
            self._filterExit("installEventFilter")
            self._show(review.start())

    def _goBack(self) -> None:
        if self._at > 0 and self._settle():
            self._show(self._at - 1)

    def _goOn(self) -> None:
        if self._settle():
            self._showNext()

    def _decide(self, decision: str) -> None:
        if self._settle():
            self._review.decide(self._case, decision, self._ui.raterEdit.text)
            self._showNext()

    def _onSaveClicked(self) -> None:
        if self._scan is not None and self._scan.isUnsaved:
            self._save()
        else:
            self._say(_("The mask is as it lies in its file."))

    @told
    def _keepRater(self) -> None:
        slicer.app.userSettings().setValue(RATER_KEY, self._ui.raterEdit.text.strip())

    def enter(self) -> None:
        """Let the editor have its keys while the module is open."""
        if self._scan is not None:
            self._ui.reviewEditor.installKeyboardShortcuts()

    def leave(self) -> None:
        """Put the editor's tool down, whose clicks and keys belong to the next module."""
        if self._review is not None:
            self._ui.reviewEditor.setActiveEffect(None)
            self._ui.reviewEditor.uninstallKeyboardShortcuts()
            self._ui.reviewEditor.removeViewObservations()

    @told
    def close(self) -> None:
        """End the review with scene or panel; of a correction one can only say whether to save."""
        try:
            window = slicer.util.mainWindow()
            if not self._mayEnd or window is None or window.visible:  # else it was asked about
                self._settle(canStay=False)
        finally:
            self._end()

    def _onExit(self) -> bool:
        """Ask about a correction while that is possible; return whether Slicer may end."""
        self._mayEnd = self._settle()
        return self._mayEnd

    def _filterExit(self, method: str) -> None:
        window = slicer.util.mainWindow()
        if window is not None:
            getattr(window, method)(self._exitFilter)

    def _settle(self, *, canStay: bool = True) -> bool:
        """Ask what becomes of a correction that is not saved; return whether to go on.

        Once Slicer ends the question is answered unseen, by 0; the correction is saved then.
        """
        text, box = "", qt.QMessageBox
        buttons = box.Save | box.Discard
        if canStay:
            buttons |= box.Cancel
        while self._scan is not None and self._scan.isUnsaved:
            question = _("The corrected mask of '{name}' is not saved.")
            text = f"{text}\n\n{question.format(name=self._case.name)}".strip()
            answer = slicer.util.messageBox(text, standardButtons=buttons, windowTitle="SkullStrip")
            if answer == box.Discard or (canStay and answer != box.Save):
                return answer == box.Discard
            try:
                self._save()
            except Exception as error:  # noqa: BLE001  (asked about again, with the reason)
                text = sentence(error)
                if answer != box.Save:
                    logging.error("SkullStrip: %s %s", question.format(name=self._case.name), text)
                    return False
            else:
                if answer != box.Save:
                    logging.warning("SkullStrip: saved %s as Slicer ended.", self._case.mask)
        return self._review is not None

    def _save(self) -> None:
        case, scan = self._case, self._scan
        self._review.save(case, scan.image, scan.mask(), self._ui.raterEdit.text)
        scan.keep(case.report())
        self._draw()
        text = _("Saved as {path}. The next run of the batch brings volume and pictures in line.")
        self._say(text.format(path=case.mask), "good")

    def _showNext(self) -> None:
        following = self._review.following(self._at)
        if following is not None:
            self._show(following)
        else:
            self._draw()
            self._say(_("No scan after this one needs a look."), "good")

    def _show(self, at: int) -> None:
        self._drop()
        self._at = at
        self._draw()
        self._views.clear()
        image, mask = self._review.load(self._case)
        name, report = self._case.name, self._case.report()
        self._scan = ReviewedScan(slicer.mrmlScene, name, image, mask, report)
        self._parameterNode.inputVolume = self._scan.volume
        editor = self._ui.reviewEditor
        editor.setSegmentationNode(self._scan.segmentation)
        editor.setSourceVolumeNode(self._scan.volume)
        editor.installKeyboardShortcuts()
        self._scrollTimer.start()

    @told
    def _scroll(self) -> None:
        """Bring buttons and editor into view, which the result above them pushes down."""
        area = self._widget.parent
        while area is not None and not area.inherits("QScrollArea"):
            area = area.parent()
        if area is not None:
            area.ensureWidgetVisible(self._ui.reviewBox)

    def _drop(self) -> None:
        self.leave()
        if self._scan is not None:
            self._ui.reviewEditor.setSegmentationNode(None)
            self._scan.remove()
        self._scan = None

    def _end(self) -> None:
        self._drop()
        self._filterExit("removeEventFilter")
        if self._views is not None:
            self._views.bringBack()
        self._review = self._views = None
        self._draw()

    def _prepareEditor(self) -> None:
        """Give the editor its node, and then the scene: it wants them in this order."""
        node = slicer.vtkMRMLSegmentEditorNode()
        node.SetSingletonTag("SkullStrip")
        node.SetSaveWithScene(False)
        self._ui.reviewEditor.setMRMLSegmentEditorNode(slicer.mrmlScene.AddNode(node))
        self._ui.reviewEditor.setMRMLScene(slicer.mrmlScene)

    def _draw(self) -> None:
        ui, review = self._ui, self._review
        ui.reviewBox.visible = review is not None
        ui.batchTable.visible = review is None  # the editor needs the room
        ui.reviewButton.text = _("Review batch...") if review is None else _("End the review")
        self._say("")
        if review is None:
            return
        case = self._case
        state = verdictWords().get(case.state) or stateWords().get(case.state)
        decided = {ACCEPT: _("accepted"), REJECT: _("rejected")}.get(case.decision)
        text = _("{at} of {count}: {name} ({state}). {done} done.")
        ui.reviewLabel.text = text.format(
            at=self._at + 1,
            count=len(review.cases),
            name=case.name,
            state=", ".join(filter(None, (state, decided))),
            done=review.done,
        )
        ui.previousButton.enabled = self._at > 0


class ExitFilter(qt.QObject):
    """Keeps the main window open, and thereby Slicer, where `mayEnd()` says no."""

    def __init__(self, mayEnd: Callable[[], bool]) -> None:
        super().__init__()
        self._mayEnd = mayEnd

    def eventFilter(self, _window, event) -> bool:
        """Ask when the window is to close, and is still there to be asked over."""
        if event.type() != qt.QEvent.Close or not slicer.util.mainWindow().visible:
            return False
        if self._mayEnd():
            return False
        event.ignore()
        return True


class Views:
    """What the views showed before a review, whose scans are to be seen alone."""

    def __init__(self, scene) -> None:
        self._scene = scene
        self._layers = [
            (view, layer, getattr(view, f"Get{layer}VolumeID")())
            for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", scene)
            for layer in ("Background", "Foreground", "Label")
        ]
        self._hidden: list = []

    def clear(self) -> None:
        """Hide what would be drawn over a scan."""
        for display in slicer.util.getNodesByClass("vtkMRMLSegmentationDisplayNode", self._scene):
            if display.GetVisibility():
                display.SetVisibility(False)
                self._hidden.append(display)
        slicer.util.setSliceViewerLayers(foreground=None, label=None)

    def bringBack(self) -> None:
        """Show all of it again."""
        for display in self._hidden:
            display.SetVisibility(True)
        for view, layer, volumeId in self._layers:
            getattr(view, f"Set{layer}VolumeID")(volumeId)


class ReviewedScan:
    """The nodes `volume` and `segmentation` of a scan, until `remove`.

    `image`, whose affine the volume gets, and `mask` are what `Review.load` gave; `report` is what
    is known of the mask, by the keys of `skullstrip.report`.
    """

    def __init__(self, scene, name: str, image: Image, mask: np.ndarray, report: dict) -> None:
        self.image, self._scene = image, scene
        with outputs.newNodes(scene) as self._ids:
            self.volume = scene.AddNewNodeByClass(SCALAR, scene.GenerateUniqueName(name))
            self.volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(image.affine))
            voxels = np.ascontiguousarray(image.array.transpose(2, 1, 0), np.float32)
            slicer.util.updateVolumeFromArray(self.volume, voxels)
            self.volume.CreateDefaultDisplayNodes()
            self.segmentation = outputs.createSegmentation(self.volume)
            segmentId = outputs.prepareSegmentation(self.segmentation, self.volume)
            self.segmentation.SetAttribute(outputs.REVIEWED_ATTRIBUTE, "yes")
            outputs.moveSegmentationTo(self.segmentation, self.volume)
            box = tuple(slice(0, size) for size in mask.shape)
            writeMask(self.segmentation, segmentId, self.volume, mask, box)
            self.keep(report)
        self._show(report, mask)

    def keep(self, report: dict[str, Any]) -> None:
        """Take the mask for what lies on the disk."""
        mask = self.mask()
        results.accept(self.segmentation, mask, report)
        self._kept = digest(mask)

    def mask(self) -> np.ndarray:
        """Return the mask as it is now, on the scan's grid; raise InputError where it is gone."""
        segmentId = outputs.segmentOf(self.segmentation)
        if segmentId is None:
            raise InputError("The segment 'Brain' is gone; undo that, or discard the correction.")
        return readMask(self.segmentation, segmentId, self.volume)

    @property
    def isUnsaved(self) -> bool:
        """Whether the mask is another than the one on the disk."""
        if self.segmentation.GetScene() is None:
            return False
        return outputs.segmentOf(self.segmentation) is None or digest(self.mask()) != self._kept

    def remove(self) -> None:
        """Remove the nodes; what else was made from them stays."""
        outputs.removeNodes(self._scene, self._ids)

    def _show(self, report: dict[str, Any], mask: np.ndarray) -> None:
        """Show the scan in all slices, at the first place of doubt, else at the brain's middle."""
        slicer.util.setSliceViewerLayers(background=self.volume, fit=True)
        middle = np.argwhere(mask).mean(axis=0) if mask.any() else np.array(mask.shape) / 2
        places = [check.position_ras for check in outputs.noticed(report)]
        place = next(filter(None, places), (self.image.affine @ [*middle, 1.0])[:3])
        view = slicer.vtkMRMLSliceNode
        view.JumpAllSlices(self._scene, *place, view.CenteredJumpSlice)
