"""The panel's batch part: a folder of files, or the whole scene, and a table that fills."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from .batch import (
    CANCELLED,
    CORRECTED,
    DONE,
    FAILED,
    RUNNING,
    SETTLED,
    SKIPPED,
    WAITING,
    FolderBatch,
)
from .panel import RunningPanel, offer, showRow, tickedRows, told
from .parameter_node import runOptions
from .run_panel import timeLeft
from .scene_scans import SceneHead

NARROWEST = 58  # pixels, so that no header touches its cell's edges
RESULTS = (1, 2, 3)  # the columns that are empty before a run


class BatchPanel(RunningPanel):
    """Runs a folder or the scene through child processes."""

    def __init__(self, ui, logic, ensurePackages: Callable[[Any], None]) -> None:
        super().__init__(ui, ui.batchLabel, logic, ensurePackages)
        self._report = None
        self._heads: list[SceneHead] = []  # in the rows of the table, to be ticked
        ui.batchButton.connect("clicked()", self.onFolderClicked)
        ui.sceneButton.connect("clicked()", self.onSceneClicked)
        ui.batchTable.connect("itemChanged(QTableWidgetItem*)", self._showTicked)
        ui.reportButton.connect("clicked()", self.openReport)
        headers = [_("Scan"), _("State"), _("Quality"), _("mL"), _("Note")]
        ui.batchTable.setHorizontalHeaderLabels(headers)
        header = ui.batchTable.horizontalHeader()
        header.setMinimumSectionSize(NARROWEST)
        header.setSectionResizeMode(qt.QHeaderView.Stretch)
        for column in RESULTS:
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        self._showIdle()

    def setParameterNode(self, parameterNode) -> None:
        """Work on these settings; a batch of files goes on when the scene is closed."""
        super().setParameterNode(parameterNode)
        if self._heads:
            self._say("")
            self._dropHeads()

    @told
    def onFolderClicked(self) -> None:
        """Cancel the batch that is on, or strip the folder."""
        self._clicked(self._startFolder)

    @told
    def onSceneClicked(self) -> None:
        """List the heads of the scene first; strip those that are ticked with the next click."""
        if self._run is None and self._parameterNode is not None and not self._ticked():
            self._listHeads()
        else:
            self._clicked(self._startScene)

    @told
    def openReport(self) -> None:
        """Open the report page in the browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._report)))

    def _listHeads(self) -> None:
        """Fill the table with what the scene has, ticked where it is likely a head."""
        self._dropHeads()
        heads = self._logic.findHeads()
        for row, head in enumerate(heads):
            showRow(self._ui.batchTable, row, headWords(head))
            offer(self._ui.batchTable, row, isTicked=head.isLikely)
        self._heads = heads
        self._showResults(not heads)
        text = (
            _("Untick what should be left out, then click again.")
            if heads
            else _("The scene has no head MRI; load one.")
        )
        self._say(text)
        self._showTicked()

    def _showResults(self, areShown: bool) -> None:
        for column in RESULTS:
            self._ui.batchTable.setColumnHidden(column, not areShown)

    def _ticked(self) -> list[SceneHead]:
        rows = tickedRows(self._ui.batchTable) if self._heads else []
        return [self._heads[row] for row in rows]

    @told
    def _showTicked(self) -> None:
        """Say on the button how many are ticked; with none, it lists the scene again."""
        count = len(self._ticked())
        text = _("Strip the ticked heads ({count})").format(count=count)
        if self._run is None:
            self._ui.sceneButton.text = text if count else _("Strip every head in the scene")

    def _dropHeads(self) -> None:
        self._heads = []
        self._ui.batchTable.setRowCount(0)
        self._showResults(True)
        self._showTicked()

    def _startFolder(self, node):
        self._dropHeads()
        return self._logic.stripFolder(
            node.batchInput.strip(), node.batchOutput.strip(), **self._options(node)
        )

    def _startScene(self, node):
        heads = self._ticked()
        self._dropHeads()
        return self._logic.stripScene(heads, **self._options(node))

    def _options(self, node) -> dict:
        return {
            "options": runOptions(node),
            "scanChanged": self._onScanChanged,
            "finished": self._onFinished,
        }

    @told
    def _onScanChanged(self, scan) -> None:
        self._showScan(scan)
        if self._run is not None:
            self._showProgress()

    @told
    def _onFinished(self, run) -> None:
        done = _("{done} of {count} scans are done.")
        count = max(run.total, len(run.scans))
        texts = [done.format(done=run.count(*SETTLED), count=count), run.error]
        self._ended(" ".join(str(text) for text in texts if text))
        self._report = run.report
        self._ui.reportButton.visible = run.report is not None

    def _showRunning(self) -> None:
        isFolder = isinstance(self._run, FolderBatch)
        buttons = (self._ui.batchButton, self._ui.sceneButton)
        button, other = buttons if isFolder else buttons[::-1]
        button.text, other.enabled = _("Cancel batch"), False
        for scan in self._run.scans:
            self._showScan(scan)
        self._showProgress()

    def _showIdle(self) -> None:
        self._ui.batchButton.text = _("Strip folder")
        self._showTicked()
        self._ui.batchButton.enabled = self._ui.sceneButton.enabled = True
        self._ui.reportButton.visible = False

    def _showProgress(self) -> None:
        run = self._run
        settled = run.count(*SETTLED, FAILED)
        texts = [_("{done} of {count} scans").format(done=settled, count=run.total or "?")]
        if run.secondsLeft:
            texts.append(timeLeft(run.secondsLeft))
        self._say(", ".join(texts))

    def _showScan(self, scan) -> None:
        volume = "" if scan.volumeMl is None else f"{scan.volumeMl:.1f}"
        words = (stateWords().get(scan.state, scan.state), verdictWords().get(scan.verdict, ""))
        showRow(self._ui.batchTable, scan.index, (scan.name, *words, volume, scan.message))


def headWords(head) -> tuple[str, ...]:
    """Return what the table says of a head before it runs."""
    frames = _("{name} ({count} frames)").format(name=head.name, count=len(head.scans))
    contrast = {
        "t1_like": _("T1-like."),
        "inverted": _("Bright fluid, unlike T1."),
        "ct_like": _("CT-like."),
    }
    notes = [contrast.get(head.contrast, ""), *(check.message for check in head.checks)]
    name = head.name if head.scans[0].frames is None else frames
    return name, "", "", "", " ".join(filter(None, notes))


def stateWords() -> dict[str, str]:
    """Return what the table calls each state."""
    return {
        WAITING: _("waiting"),
        RUNNING: _("running"),
        DONE: _("done"),
        SKIPPED: _("done before"),
        CORRECTED: _("corrected by hand"),
        FAILED: _("failed"),
        CANCELLED: _("not done"),
    }


def verdictWords() -> dict[str, str]:
    """Return what the table calls each verdict."""
    return {"pass": _("pass"), "check": _("check"), "fail": _("fail")}
