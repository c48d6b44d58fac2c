"""The panel's batch part: a folder in, a folder out, and a table that fills."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from SkullStripLib.errors import SkullStripError

from . import dependencies
from .batch import CANCELLED, DONE, FAILED, RUNNING, WAITING
from .parameter_node import runOptions

FILE_COLUMN, STATE_COLUMN, VOLUME_COLUMN, NOTE_COLUMN = range(4)


class BatchPanel:
    """Runs a folder through the child process.

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
        ui.batchButton.connect("clicked()", self.onClicked)
        headers = [_("Scan"), _("State"), _("Brain (mL)"), _("Note")]
        ui.batchTable.setHorizontalHeaderLabels(headers)

    def setParameterNode(self, parameterNode) -> None:
        """Work on these settings; a batch goes on when the scene is closed."""
        self._parameterNode = parameterNode

    @property
    def isRunning(self) -> bool:
        """Whether a batch is on."""
        return self._run is not None

    def onClicked(self) -> None:
        """The button was clicked: cancel or start."""
        if self._run is not None:
            self._run.cancel()
        elif self._parameterNode is not None:
            self.start()

    def cancel(self) -> None:
        """End the batch, if one is on."""
        if self._run is not None:
            self._run.cancel()

    def start(self) -> None:
        """Run the folder; problems are shown, never raised."""
        node = self._parameterNode
        try:
            ask = slicer.util.confirmOkCancelDisplay
            self._ensurePackages(ask, node.engine.value, node.wheels.strip())
            self._run = self._logic.stripFolder(
                node.batchInput.strip(),
                node.batchOutput.strip(),
                **runOptions(node),
                fileChanged=self._showFile,
                finished=self._onFinished,
            )
        except SkullStripError as error:
            self._run = None
            self._ui.batchLabel.text = str(error)
            return
        if self._run.isFinished:  # it failed at once, and said so
            self._run = None
            return
        self._ui.batchTable.setRowCount(len(self._run.files))
        for file in self._run.files:
            self._showFile(file)
        self._ui.batchButton.text = _("Cancel batch")
        self._ui.batchLabel.text = _("{count} scans").format(count=len(self._run.files))

    def _onFinished(self, run) -> None:
        self._run = None
        self._ui.batchButton.text = _("Strip folder")
        done = sum(file.state == DONE for file in run.files)
        text = _("{done} of {count} scans are done.").format(done=done, count=len(run.files))
        self._ui.batchLabel.text = text if run.error is None else f"{text} {run.error}"

    def _showFile(self, file) -> None:
        volume = "" if file.volumeMl is None else f"{file.volumeMl:.1f}"
        texts = {
            FILE_COLUMN: file.input.name,
            STATE_COLUMN: stateWords()[file.state],
            VOLUME_COLUMN: volume,
            NOTE_COLUMN: file.message,
        }
        for column, text in texts.items():
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            self._ui.batchTable.setItem(file.index, column, item)


def stateWords() -> dict[str, str]:
    """What the table calls each state."""
    return {
        WAITING: _("waiting"),
        RUNNING: _("running"),
        DONE: _("done"),
        FAILED: _("failed"),
        CANCELLED: _("not done"),
    }
