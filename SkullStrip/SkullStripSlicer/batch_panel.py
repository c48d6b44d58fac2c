"""The panel's batch part: a folder of files, or the whole scene, and a table that fills."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from skullstrip.errors import EngineError, SkullStripError

from . import dependencies
from .batch import CANCELLED, DONE, FAILED, RUNNING, SETTLED, SKIPPED, WAITING
from .parameter_node import runOptions
from .progress_text import timeLeft

WIDTHS = (96, 62, 52, 70)  # pixels; the last column takes the rest


class BatchPanel:
    """Runs a folder or the scene through child processes.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file by name.
    logic : StripLogic
    ensurePackages : callable
        As `dependencies.ensure`.
    """

    def __init__(self, ui, logic, ensurePackages=dependencies.ensure) -> None:
        self._ui, self._logic, self._ensurePackages = ui, logic, ensurePackages
        self._parameterNode = None
        self._run = None
        self._report = None
        self._note = ""
        ui.batchButton.connect("clicked()", lambda: self.onClicked(self._startFolder))
        ui.sceneButton.connect("clicked()", lambda: self.onClicked(self._startScene))
        ui.reportButton.connect("clicked()", self.openReport)
        headers = [_("Scan"), _("State"), _("Quality"), _("Brain (mL)"), _("Note")]
        ui.batchTable.setHorizontalHeaderLabels(headers)
        for column, width in enumerate(WIDTHS):
            ui.batchTable.setColumnWidth(column, width)
        self._showIdle()

    def setParameterNode(self, parameterNode) -> None:
        """Work on these settings; a batch of files goes on when the scene is closed."""
        self._parameterNode = parameterNode

    @property
    def isRunning(self) -> bool:
        """Whether a batch is on."""
        return self._run is not None

    def onClicked(self, start) -> None:
        """A button was clicked: cancel, or start."""
        if self._run is not None:
            self.cancel()
        elif self._parameterNode is not None:
            self._start(start)

    def cancel(self) -> None:
        """End the batch, if one is on."""
        if self._run is not None:
            self._run.cancel()

    def openReport(self) -> None:
        """Open the report page in the browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._report)))

    def _start(self, start) -> None:
        """Run; problems are shown, never raised."""
        node = self._parameterNode
        ask = slicer.util.confirmOkCancelDisplay
        self._report, self._note = None, ""
        self._ui.reportButton.visible = False
        self._ui.batchTable.setRowCount(0)
        try:
            self._ensurePackages(ask, node.engine.value, node.wheels.strip())
            self._run = start(node, ask)
        except SkullStripError as error:
            self._run = None
            self._ui.batchLabel.text = str(error)
            return
        if self._run.isFinished:  # it failed at once, and said so
            self._run = None
            return
        for scan in self._run.scans:
            self._showScan(scan)
        self._showRunning(start)

    def _startFolder(self, node, ask):
        try:
            self._ensurePackages(ask, dependencies.BATCH, node.wheels.strip())
        except EngineError:  # no network, or the user would rather not
            self._note = _("Without Dask scans go one after another, and no report page is made.")
        return self._logic.stripFolder(
            node.batchInput.strip(), node.batchOutput.strip(), **self._options(node)
        )

    def _startScene(self, node, ask):
        return self._logic.stripScene(**self._options(node))

    def _options(self, node) -> dict:
        return {
            **runOptions(node),
            "scanChanged": self._onScanChanged,
            "finished": self._onFinished,
        }

    def _onScanChanged(self, scan) -> None:
        self._showScan(scan)
        if self._run is not None:
            self._showProgress()

    def _onFinished(self, run) -> None:
        self._run = None
        self._showIdle()
        done = _("{done} of {count} scans are done.")
        count = max(run.total, len(run.scans))
        texts = [done.format(done=run.count(*SETTLED), count=count), run.error, self._note]
        self._ui.batchLabel.text = " ".join(str(text) for text in texts if text)
        self._report = run.report
        self._ui.reportButton.visible = run.report is not None

    def _showRunning(self, start) -> None:
        isFolder = start == self._startFolder
        button = self._ui.batchButton if isFolder else self._ui.sceneButton
        other = self._ui.sceneButton if isFolder else self._ui.batchButton
        button.text, other.enabled = _("Cancel batch"), False
        self._showProgress()

    def _showIdle(self) -> None:
        self._ui.batchButton.text = _("Strip folder")
        self._ui.sceneButton.text = _("Strip every T1 in the scene")
        self._ui.batchButton.enabled = self._ui.sceneButton.enabled = True
        self._ui.reportButton.visible = False

    def _showProgress(self) -> None:
        run = self._run
        settled = run.count(*SETTLED, FAILED)
        texts = [_("{done} of {count} scans").format(done=settled, count=run.total or "?")]
        if run.secondsLeft:
            texts.append(timeLeft(run.secondsLeft))
        self._ui.batchLabel.text = ", ".join(texts)

    def _showScan(self, scan) -> None:
        table = self._ui.batchTable
        if scan.index >= table.rowCount:
            table.setRowCount(scan.index + 1)
        volume = "" if scan.volumeMl is None else f"{scan.volumeMl:.1f}"
        words = (stateWords()[scan.state], verdictWords().get(scan.verdict, ""))
        for column, text in enumerate((scan.name, *words, volume, scan.message)):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            table.setItem(scan.index, column, item)


def stateWords() -> dict[str, str]:
    """What the table calls each state."""
    return {
        WAITING: _("waiting"),
        RUNNING: _("running"),
        DONE: _("done"),
        SKIPPED: _("done before"),
        FAILED: _("failed"),
        CANCELLED: _("not done"),
    }


def verdictWords() -> dict[str, str]:
    """What the table calls each verdict."""
    return {"pass": _("pass"), "check": _("check"), "fail": _("fail")}
