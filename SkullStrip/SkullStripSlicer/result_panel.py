"""The panel's result: border, volume, verdict and what can be done with it."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from skullstrip.errors import SkullStripError
from skullstrip.quality.verdict import judged_mask

from . import outputs
from .input_panel import ERROR_STYLE, WARNING_STYLE

GOOD_STYLE = "color: #2e7d32;"
VERDICT_STYLES = {"pass": GOOD_STYLE, "check": WARNING_STYLE, "fail": ERROR_STYLE}
SURFACE_DELAY_MS = 400  # the surface follows once the slider rests


class ResultPanel:
    """Keeps the result shown in step with border, inversion, surface and stripped volume.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file by name.
    logic : StripLogic
    """

    def __init__(self, ui, logic) -> None:
        self._ui, self._logic = ui, logic
        self._parameterNode = None
        self._surfaceTimer = qt.QTimer()
        self._surfaceTimer.setSingleShot(True)
        self._surfaceTimer.setInterval(SURFACE_DELAY_MS)
        self._surfaceTimer.connect("timeout()", self._updateSurface)
        self._isApplying = False
        ui.editButton.connect("clicked()", self.edit)
        ui.undoButton.connect("clicked()", self.undo)

    def setParameterNode(self, parameterNode) -> None:
        """Work on these settings; None while there are none."""
        self._parameterNode = parameterNode
        self._surfaceTimer.stop()
        self.refresh()

    @property
    def segmentation(self):
        """The segmentation that the panel shows, or None."""
        return self._parameterNode.result if self._parameterNode is not None else None

    def follow(self) -> None:
        """Show the result of the chosen scan, with the settings that it was made with."""
        node = self._parameterNode
        if node is None or self._isApplying:
            return
        shown, volume = node.result, node.inputVolume
        if shown is not None and outputs.sourceOf(shown) in (volume, None):
            return
        found = outputs.newestSegmentation(volume) if volume is not None else None
        if found is shown:
            return
        self._isApplying = True
        try:
            with slicer.util.NodeModify(node):
                node.result = found
                if found is not None:
                    self._readSettings(found)
        finally:
            self._isApplying = False
        self.refresh()

    def _readSettings(self, segmentation) -> None:
        state, node = outputs.readState(segmentation), self._parameterNode
        node.borderMm = float(state.get("borderMm", 0.0))
        node.invert = bool(state.get("invert"))
        node.makeStripped = segmentation.GetNodeReference(outputs.STRIPPED_ROLE) is not None

    def apply(self) -> None:
        """Bring the result in line with the settings, after one of them changed."""
        segmentation = self.segmentation
        if segmentation is None or self._isApplying:
            return
        self._isApplying = True
        try:
            if self._applyMask(segmentation):
                self.refresh()
            self._applySurface(segmentation)
        except SkullStripError as error:
            self._tell(str(error))
        finally:
            self._isApplying = False

    def _applyMask(self, segmentation) -> bool:
        """Whether anything had to change."""
        node, state = self._parameterNode, outputs.readState(segmentation)
        changed = False
        if state.get("borderMm") != node.borderMm:
            self._logic.setBorder(segmentation, node.borderMm)
            changed = True
        if bool(state.get("invert")) != node.invert:
            self._logic.setInvert(segmentation, node.invert)
            changed = True
        hasStripped = segmentation.GetNodeReference(outputs.STRIPPED_ROLE) is not None
        if node.makeStripped and not hasStripped:
            self._logic.makeStripped(segmentation)
            changed = True
        if changed and node.showSurface:
            self._surfaceTimer.start()
        return changed

    def _applySurface(self, segmentation) -> None:
        display = segmentation.GetDisplayNode()
        if display is None:
            return
        if not self._parameterNode.showSurface:
            self._surfaceTimer.stop()
            display.SetVisibility3D(False)
            return
        isShown = bool(display.GetVisibility3D()) and outputs.hasSurface(segmentation)
        if not isShown and not self._surfaceTimer.isActive():
            self._updateSurface()
            slicer.util.resetThreeDViews()

    def _updateSurface(self) -> None:
        if self.segmentation is not None and self._parameterNode.showSurface:
            self._logic.showSurface(self.segmentation)

    def refresh(self) -> None:
        """Show volume and verdict of the result, or nothing without one."""
        ui, segmentation = self._ui, self.segmentation
        ui.resultBox.visible = segmentation is not None
        if segmentation is None:
            return
        volume, checks = self._logic.describe(segmentation)
        ui.volumeLabel.text = _("{volume} mL").format(volume=f"{volume:.1f}")
        report = self._logic.report(segmentation)
        told = [check.message for check in checks]
        told = told or [_("Nothing unusual was noticed; look at the outline.")]
        verdict = report.get("verdict", "check" if checks else "")
        ui.verdictLabel.text = "\n".join(
            [*verdictWords(report, self._parameterNode.borderMm), *told]
        )
        ui.verdictLabel.styleSheet = VERDICT_STYLES.get(verdict, "")
        ui.undoButton.enabled = self._logic.results.canUndo(segmentation)

    def _tell(self, text: str) -> None:
        self._ui.verdictLabel.text = text
        self._ui.verdictLabel.styleSheet = WARNING_STYLE

    def undo(self) -> None:
        """Take the last run back and show the settings that belong to what is left."""
        segmentation = self.segmentation
        self._isApplying = True
        try:
            if self._logic.undo(segmentation):
                self._readSettings(segmentation)
            else:
                self._parameterNode.result = None
            self.refresh()
        except SkullStripError as error:
            self._tell(str(error))
        finally:
            self._isApplying = False
        self.apply()

    def edit(self) -> None:
        """Open the result in the Segment Editor."""
        slicer.util.selectModule("SegmentEditor")
        editor = slicer.modules.SegmentEditorWidget.editor
        editor.setSegmentationNode(self.segmentation)
        editor.setSourceVolumeNode(outputs.sourceOf(self.segmentation))


def verdictWords(report, borderMm: float = 0.0) -> list[str]:
    """Verdict, estimated Dice and their mask in one line; nothing for older reports."""
    words = {
        "pass": _("Mask passed"),
        "check": _("Check this mask"),
        "fail": _("Mask failed: do not use it as it is"),
    }.get(report.get("verdict"))
    if words is None:
        return []
    dice, error = report.get("dice_estimate"), report.get("dice_error")
    said = []
    if dice is not None and error is not None:
        estimated = _("Dice about {dice} ± {error}")
        said.append(estimated.format(dice=f"{dice:.3f}", error=f"{error:.3f}"))
    changed = {
        "before border": _("judged before the border moved"),
        "before CSF": _("judged before fluid was taken off"),
        "before CSF and border": _("judged before fluid was taken off and the border moved"),
    }.get(judged_mask(borderMm, report.get("keep_csf", True)))
    said += [changed] if changed else []
    return [f"{words} ({', '.join(said)})" if said else words]
