"""The panel's "Also strip": the other scans of the study, which get the mask of the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from .batch import DONE, FAILED, RUNNING
from .panel import RunningPanel, offer, showRow, tickedRows, told
from .parameter_node import runOptions
from .scene_scans import OtherScan, standAlone


class OthersPanel(RunningPanel):
    """Lists the other scans, ticked where they show the brain; the ticked ones get the mask."""

    def __init__(self, ui, logic, ensurePackages: Callable[[Any], None]) -> None:
        super().__init__(ui, ui.othersLabel, logic, ensurePackages)
        self._segmentation: Any = None
        self._others: list[OtherScan] = []
        self._volumes: list = []  # of the scene, when they were listed
        self._rows: list[int] = []  # of the table, by the index in the run
        ui.othersTable.setHorizontalHeaderLabels([_("Scan"), _("State")])
        ui.othersTable.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
        ui.othersButton.connect("clicked()", self.onClicked)
        self._showIdle()

    @told
    def draw(self, segmentation) -> None:
        """List the other scans of a result anew, where the result or the scans are others."""
        if self.isRunning:
            return
        volumes = [] if segmentation is None else standAlone(slicer.mrmlScene)
        if segmentation is self._segmentation and volumes == self._volumes:
            return
        self._segmentation, self._volumes = segmentation, volumes
        self._others = [] if segmentation is None else self._logic.findOtherScans(segmentation)
        self._ui.othersBox.visible = bool(self._others)
        self._ui.othersTable.setRowCount(0)
        for row, other in enumerate(self._others):
            state = "" if other.share else _("shows none of this brain")
            showRow(self._ui.othersTable, row, (other.volumeNode.GetName(), state))
            offer(self._ui.othersTable, row, isTicked=bool(other.share))
        self._say("")

    @told
    def onClicked(self) -> None:
        """Cancel what runs, or give the ticked scans the mask."""
        self._clicked(self._start)

    def _start(self, node):
        self._rows = tickedRows(self._ui.othersTable)
        return self._logic.applyTo(
            self._segmentation,
            [self._others[row].volumeNode for row in self._rows],
            runOptions(node),
            register="rigid" if node.align else None,
            scanChanged=self._onScanChanged,
            finished=self._onFinished,
        )

    @told
    def _onScanChanged(self, scan) -> None:
        words = {RUNNING: _("running"), DONE: _("done"), FAILED: _("failed")}
        verdict = {"check": _("look at it"), "fail": _("do not use it")}.get(scan.verdict, "")
        texts = (words.get(scan.state, scan.state), verdict, scan.message)
        state = ". ".join(filter(None, texts))
        showRow(self._ui.othersTable, self._rows[scan.index], [state], first=1)

    @told
    def _onFinished(self, run) -> None:
        text = _("{done} of {count} scans got the mask.")
        text = text.format(done=run.count(DONE), count=run.total)
        self._ended(" ".join(str(one) for one in (text, run.error) if one))

    def _showRunning(self) -> None:
        self._ui.othersButton.text = _("Cancel")

    def _showIdle(self) -> None:
        self._ui.othersButton.text = _("Strip the ticked scans")
