"""The batch part's review: doubtful masks one by one, corrected in Slicer's own Segment Editor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from skullstrip.batch.decisions import ACCEPT, REJECT
from skullstrip.batch.results import CSV_TABLE
from skullstrip.batch.review import Case, Review

from .batch_panel import stateWords, verdictWords
from .panel import Panel, sentence, told
from .reviewed_scan import ReviewedScan

RATER_KEY = "SkullStrip/Rater"
EFFECTS = ("Paint", "Erase", "Scissors", "Islands", "Smoothing", "Margin")


class ReviewPanel(Panel):
    """Shows one scan of a batch after the other; what is corrected is saved or asked about."""

    def __init__(self, ui, ensurePackages: Callable[[Any], None]) -> None:
        super().__init__(ui, ui.reviewNotice)
        self._ensurePackages = ensurePackages
        self._review: Any = None
        self._at = 0
        self._scan: Any = None
        ui.raterEdit.text = slicer.app.userSettings().value(RATER_KEY) or ""
        ui.raterEdit.connect("editingFinished()", self.keepRater)
        ui.reviewEditor.setEffectNameOrder(EFFECTS)
        ui.reviewButton.connect("clicked()", self.onClicked)
        ui.previousButton.connect("clicked()", self.goBack)
        ui.nextButton.connect("clicked()", self.goOn)
        ui.acceptButton.connect("clicked()", lambda: self.decide(ACCEPT))
        ui.rejectButton.connect("clicked()", lambda: self.decide(REJECT))
        ui.correctionButton.connect("clicked()", self.save)
        self._draw()

    @property
    def _case(self) -> Case:
        return self._review.cases[self._at]

    @told
    def onClicked(self) -> None:
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
            self._ensurePackages(node)
            review = Review(Path(path))
            self._prepareEditor()
            self._review = review
            self._show(review.start())

    @told
    def goBack(self) -> None:
        """Show the scan before this one, done or not."""
        if self._at > 0 and self._settle():
            self._show(self._at - 1)

    @told
    def goOn(self) -> None:
        """Show the next scan that still needs a look."""
        if self._settle():
            self._showNext()

    @told
    def decide(self, decision: str) -> None:
        """Accept or reject the mask, and go on to the next scan."""
        if self._settle():
            self._review.decide(self._case, decision, self._ui.raterEdit.text)
            self._showNext()

    @told
    def save(self) -> None:
        """Write the corrected mask where the batch keeps it."""
        if self._scan is not None and self._scan.isUnsaved:
            self._save()
        else:
            self._say(_("The mask is as it lies in its file."))

    @told
    def keepRater(self) -> None:
        """Remember who decides."""
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
        self._settle(canStay=False)
        self._end()

    def _settle(self, *, canStay: bool = True) -> bool:
        """Ask what becomes of a correction that is not saved; return whether to go on."""
        text, box = "", qt.QMessageBox
        buttons = box.Save | box.Discard
        if canStay:
            buttons |= box.Cancel
        while self._scan is not None and self._scan.isUnsaved:
            question = _("The corrected mask of '{name}' is not saved.")
            text = f"{text}\n\n{question.format(name=self._case.name)}".strip()
            answer = slicer.util.messageBox(text, standardButtons=buttons, windowTitle="SkullStrip")
            if answer != box.Save:
                return answer == box.Discard
            try:
                self._save()
            except Exception as error:  # noqa: BLE001  (asked about again, with the reason)
                text = sentence(error)
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
        image, mask = self._review.load(self._case)
        name, report = self._case.name, self._case.report()
        self._scan = ReviewedScan(slicer.mrmlScene, name, image, mask, report)
        self._parameterNode.inputVolume = self._scan.volume
        editor = self._ui.reviewEditor
        editor.setSegmentationNode(self._scan.segmentation)
        editor.setSourceVolumeNode(self._scan.volume)
        editor.installKeyboardShortcuts()

    def _drop(self) -> None:
        self.leave()
        if self._scan is not None:
            self._ui.reviewEditor.setSegmentationNode(None)
            self._scan.remove()
        self._scan = None

    def _end(self) -> None:
        self._drop()
        self._review = None
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
