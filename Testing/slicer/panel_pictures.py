"""Draw the panel in its states on a real scan, on a light and on a dark palette.

`PYTHONPATH=SkullStrip python -m Testing.slicer.panel_pictures SCAN FOLDER` writes the README's
`panel.png` (before, during and after a run) and `panel_states.png` (these, a warning, a refused
change, a batch; light and dark). Real: the .ui, its wiring, the child process with the network, the
scan. Stand-ins: CTK's and Slicer's widgets and the application, as in the panel's tests; so fonts
and frames are Qt's, not Slicer's.
"""

import slicer
from PySide6 import QtCore, QtGui

from Testing.slicer.application_stand_in import ModuleParent
from Testing.slicer.child_stand_ins import wait_for
from Testing.slicer.panel_fixtures import click, drawPictures, enter, palette, strip
from Testing.slicer.pythonqt import Proxy
from Testing.slicer.scene import addVolume, paint, voxelsOf

WIDTH = 430
HEIGHTS = {"panel.png": 410, "panel_states.png": 720}
HEIGHT = 900  # as much as a panel with everything open needs; in Slicer it scrolls
GAP = 10
HALF = 50  # percent, where the picture of a run is taken
CUT = 0.45  # of the scan's slices, so that the brain reaches the edge of the image
PALETTES = ("light", "dark")


def drawPanel(volume, folder, scene, qapp, patch):
    """Take a picture of each state on every palette."""
    states = takePictures(volume, scene, qapp, patch)
    light, dark = ([state[index] for state in states] for index in range(len(PALETTES)))
    for name, rows in (("panel.png", [light[:3]]), ("panel_states.png", [light, dark])):
        sheetOf(rows, HEIGHTS[name]).save(str(folder / name))


def takePictures(volume, scene, qapp, patch):
    """Each state on every palette: idle, running, its result, a warning, a refusal, a batch."""
    view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    view.SetLayoutName("Red")
    view.SetBackgroundVolumeID(volume.GetID())
    import SkullStrip
    from SkullStripSlicer.volume_node import ijkToRas

    patch.setattr("SkullStripSlicer.dependencies.ensure", lambda *_: None)
    parent = ModuleParent()
    parent.resize(WIDTH, HEIGHT)
    widget = SkullStrip.SkullStripWidget(Proxy(parent))
    widget.setup()
    parent.show()
    pictures = []

    def settle():
        for _ in range(5):  # the layout follows its labels step by step
            slicer.app.processEvents()

    def take(prepare=lambda: enter(widget)):
        state = []
        for name in PALETTES:
            with palette(qapp, name):
                settle()
                prepare()
                settle()
                state.append(parent.grab())
        pictures.append(state)

    def refuse():
        widget.ui.borderSlider.value = 4.0

    take()
    click(widget.ui.stripButton)
    wait_for(lambda: widget.ui.progressBar.value >= HALF or not widget.runPanel.isRunning)
    take(settle)
    wait_for(lambda: not widget.runPanel.isRunning)
    take()
    part = voxelsOf(volume)[: int(volume.GetImageData().GetDimensions()[0] * (1 - CUT))]
    cut = addVolume(scene, part, ijkToRas(volume), "MRHead, cut")
    view.SetBackgroundVolumeID(cut.GetID())
    strip(widget)
    take()
    view.SetBackgroundVolumeID(volume.GetID())
    paint(widget.resultPanel.segmentation)
    enter(widget)
    take(refuse)
    widget.ui.batchBox.collapsed = False
    click(widget.ui.sceneButton)
    take()
    widget.cleanup()
    return pictures


def sheetOf(rows, height):
    """One image of all, each cut to the same height."""
    width = max(map(len, rows)) * (WIDTH + GAP) - GAP
    size = QtCore.QSize(width, len(rows) * (height + GAP) - GAP)
    sheet = QtGui.QImage(size, QtGui.QImage.Format.Format_RGB32)
    sheet.fill(QtCore.Qt.GlobalColor.white)
    painter = QtGui.QPainter(sheet)
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            source = QtCore.QRect(0, 0, WIDTH, height)
            painter.drawPixmap(column * (WIDTH + GAP), row * (height + GAP), picture.copy(source))
    painter.end()
    return sheet


if __name__ == "__main__":
    drawPictures(drawPanel)
