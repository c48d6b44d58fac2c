"""Draw the panel before, during and after a run on a real scan.

`python -m Testing.slicer.panel_pictures SCAN FOLDER` writes the README's `panel.png`. Real:
the .ui, its wiring, the child process with the network, the scan. Stand-ins: CTK's and Slicer's
widgets and the application, as in the panel's tests; so fonts and frames are Qt's, not Slicer's.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
WIDTH = 430
HEIGHT = 400
GAP = 10
RUN_SECONDS = 120.0
HALF = 50  # percent, where the picture of a run is taken


def main(scan: Path, folder: Path) -> None:
    """Strip a scan by the panel's button and take a picture of each state."""
    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patch:
        pictures = takePictures(scan, Path(temporary), patch)
        sheet = sideBySide(pictures)
    folder.mkdir(parents=True, exist_ok=True)
    sheet.save(str(folder / "panel.png"))


def takePictures(scan: Path, temporary: Path, patch: pytest.MonkeyPatch) -> list:
    """The panel idle, at half of a run, and with its result."""
    import slicer

    from Testing.slicer import application_stand_in as application
    from Testing.slicer.child_stand_ins import writePythonSlicer
    from Testing.slicer.panel_fixtures import click
    from Testing.slicer.pythonqt import Proxy
    from Testing.slicer.scene import loadVolume, makeScene

    scene = makeScene(temporary)
    application.install(patch, temporary)
    writePythonSlicer(temporary, None)
    patch.setenv("PATH", f"{temporary}{os.pathsep}{os.environ['PATH']}")
    volume = loadVolume(scan, "MRHead")
    view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    view.SetLayoutName("Red")
    view.SetBackgroundVolumeID(volume.GetID())
    import SkullStrip

    patch.setattr(SkullStrip.RunPanel.__init__, "__defaults__", (lambda *_: None,))
    parent = application.ModuleParent()
    parent.resize(WIDTH, HEIGHT)
    widget = SkullStrip.SkullStripWidget(Proxy(parent))
    widget.setup()
    parent.show()

    def waitFor(condition) -> None:
        end = time.monotonic() + RUN_SECONDS
        while not condition() and time.monotonic() < end:
            slicer.app.processEvents()
            time.sleep(0.01)

    slicer.app.processEvents()
    pictures = [parent.grab()]
    click(widget.ui.stripButton)
    waitFor(lambda: widget.ui.progressBar.value >= HALF or not widget.runPanel.isRunning)
    pictures.append(parent.grab())
    waitFor(lambda: not widget.runPanel.isRunning)
    for _ in range(5):  # the layout follows its labels step by step
        slicer.app.processEvents()
    if widget._parameterNode.result is None:
        raise SystemExit(f"The run failed: {widget.ui.progressLabel.text}")
    pictures.append(parent.grab())
    widget.cleanup()
    return pictures


def sideBySide(pictures: list):
    """One image of all, cut below the lowest widget."""
    from PySide6 import QtCore, QtGui

    size = QtCore.QSize(len(pictures) * (WIDTH + GAP) - GAP, HEIGHT)
    sheet = QtGui.QImage(size, QtGui.QImage.Format.Format_RGB32)
    sheet.fill(QtCore.Qt.GlobalColor.white)
    painter = QtGui.QPainter(sheet)
    for index, picture in enumerate(pictures):
        painter.drawPixmap(index * (WIDTH + GAP), 0, picture)
    painter.end()
    return sheet


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)  # see pytest_unconfigure in conftest.py
