"""The panel's tables of scans: "Also strip" for those of a study, the batch of folder or scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from skullstrip.batch.records import CORRECTED, DONE, FAILED

from .panel import RunningPanel, told
from .parameter_node import runOptions
from .run_panel import timeLeft
from .runs import CANCELLED, RUNNING, SETTLED, SKIPPED, WAITING, FolderBatch
from .scene_scans import OtherScan, SceneHead, standAlone

NARROWEST = 58  # pixels, so that no header touches its cell's edges
RESULTS = (1, 2, 3)  # the columns that are empty before a run


class ScansPanel(RunningPanel):
    """A table of scans, in which some can be ticked, and which then shows what became of them."""

    def __init__(self, widget, label, table, headers: list[str]) -> None:
        super().__init__(widget, label)
        self._table = table
        table.setHorizontalHeaderLabels(headers)
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)

    def _showRow(self, row: int, texts, *, first: int = 0) -> None:
        """Fill a row from its column `first` on; it is added if need be."""
        if row >= self._table.rowCount:
            self._table.setRowCount(row + 1)
        for column, text in enumerate(texts, first):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            self._table.setItem(row, column, item)

    def _offer(self, row: int, texts, *, isTicked: bool) -> None:
        """Fill a row that has a box to be ticked."""
        self._showRow(row, texts)
        item = self._table.item(row, 0)
        item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
        item.setCheckState(qt.Qt.Checked if isTicked else qt.Qt.Unchecked)

    def _tickedRows(self) -> list[int]:
        rows = range(self._table.rowCount)
        return [row for row in rows if self._table.item(row, 0).checkState() == qt.Qt.Checked]


class OthersPanel(ScansPanel):
    """Lists the other scans, ticked where they show the brain; the ticked ones get the mask."""

    def __init__(self, widget) -> None:
        headers, ui = [_("Scan"), _("State")], widget.ui
        super().__init__(widget, ui.othersLabel, ui.othersTable, headers)
        self._segmentation: Any = None
        self._others: list[OtherScan] = []
        self._volumes: list = []  # of the scene, when they were listed
        self._rows: list[int] = []  # of the table, by the index in the run
        self._connect(othersButton=lambda: self._clicked(self._start))
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
        self._table.setRowCount(0)
        for row, other in enumerate(self._others):
            state = "" if other.share else _("shows none of this brain")
            self._offer(row, (other.volumeNode.GetName(), state), isTicked=bool(other.share))
        self._say("")

    def _start(self, node):
        self._rows = self._tickedRows()
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
        verdict = {"check": _("look at it"), "fail": _("do not use it")}.get(scan.verdict, "")
        texts = (stateWords().get(scan.state, scan.state), verdict, scan.message)
        self._showRow(self._rows[scan.index], [". ".join(filter(None, texts))], first=1)

    @told
    def _onFinished(self, run) -> None:
        text = _("{done} of {count} scans got the mask.")
        text = text.format(done=run.count(DONE), count=run.total)
        self._ended(" ".join(str(one) for one in (text, run.error) if one))

    def _showRunning(self) -> None:
        self._ui.othersButton.text = _("Cancel")

    def _showIdle(self) -> None:
        self._ui.othersButton.text = _("Strip the ticked scans")


class BatchPanel(ScansPanel):
    """Runs a folder or the heads of the scene through child processes."""

    def __init__(self, widget) -> None:
        headers, ui = [_("Scan"), _("State"), _("Quality"), _("mL"), _("Note")], widget.ui
        super().__init__(widget, ui.batchLabel, ui.batchTable, headers)
        self._report = None
        self._heads: list[SceneHead] = []  # in the rows of the table, to be ticked
        self._isOfFiles = False  # the table
        self._connect(
            batchButton=lambda: self._clicked(self._startFolder),
            sceneButton=self._onSceneClicked,
            reportButton=self._openReport,
        )
        ui.batchTable.connect("itemChanged(QTableWidgetItem*)", self._showTicked)
        header = ui.batchTable.horizontalHeader()
        header.setMinimumSectionSize(NARROWEST)
        for column in RESULTS:
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        self._showIdle()

    def _forget(self) -> None:
        if self._run is None and not self._isOfFiles:  # which are there as before
            self._dropHeads()
            self._say("")

    def _onSceneClicked(self) -> None:
        """List the heads of the scene first; strip those that are ticked with the next click."""
        if self._run is None and self._parameterNode is not None and not self._ticked():
            self._listHeads()
        else:
            self._clicked(self._startScene)

    def _openReport(self) -> None:
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._report)))

    def _listHeads(self) -> None:
        """Fill the table with what the scene has, ticked where it is likely a head."""
        self._dropHeads()
        heads = self._logic.findHeads()
        for row, head in enumerate(heads):
            self._offer(row, headWords(head), isTicked=head.isLikely)
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
            self._table.setColumnHidden(column, not areShown)

    def _ticked(self) -> list[SceneHead]:
        return [self._heads[row] for row in self._tickedRows()] if self._heads else []

    @told
    def _showTicked(self) -> None:
        """Say on the button how many are ticked; with none, it lists the scene again."""
        count = len(self._ticked())
        text = _("Strip the ticked heads ({count})").format(count=count)
        if self._run is None:
            self._ui.sceneButton.text = text if count else _("Strip every head in the scene")

    def _dropHeads(self) -> None:
        self._heads, self._isOfFiles = [], False
        self._table.setRowCount(0)
        self._showResults(True)
        self._showTicked()

    def _startFolder(self, node):
        self._dropHeads()
        folders = node.batchInput.strip(), node.batchOutput.strip()
        run = self._logic.stripFolder(*folders, runOptions(node), **self._callbacks)
        self._isOfFiles = True
        return run

    def _startScene(self, node):
        heads = self._ticked()
        self._dropHeads()
        return self._logic.stripScene(heads, runOptions(node), **self._callbacks)

    @property
    def _callbacks(self) -> dict[str, Callable]:
        return {"scanChanged": self._onScanChanged, "finished": self._onFinished}

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
        self._showRow(scan.index, (scan.name, *words, volume, scan.message))


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
