"""The fixtures of the panel's tests: the real .ui and wiring, on `application_stand_in.py`."""

import os
import sys

import pytest
import slicer
from PySide6 import QtCore, QtTest

from Testing.slicer import application_stand_in as application
from Testing.slicer.child_stand_ins import THRESHOLD, wait_for, writePythonSlicer
from Testing.slicer.pythonqt import SLOT_ERRORS, Proxy, unwrap

TRANSLATING = ("panel", "_text", "parameter_node")  # they hold on to stand-ins


@pytest.fixture(autouse=True)
def qapp(scene, monkeypatch, tmp_path):
    folder = tmp_path / "slicer"
    folder.mkdir()
    yield application.install(monkeypatch, folder)
    for name in list(sys.modules):
        if name == "SkullStrip" or name.endswith(TRANSLATING):
            del sys.modules[name]
    sys.modules.pop("SkullStripSlicer.dependencies", None)


@pytest.fixture
def child(monkeypatch, tmp_path):
    """Says what the child does instead of running a network."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def use(script):
        writePythonSlicer(folder, script)

    use(THRESHOLD)
    return use


@pytest.fixture
def makeWidget(qapp, child, monkeypatch):
    SLOT_ERRORS.clear()
    # What an observer of VTK's raises is printed, as of a slot.
    monkeypatch.setattr(sys, "excepthook", lambda _kind, error, _trace: SLOT_ERRORS.append(error))
    made = []

    def make():
        import SkullStrip

        monkeypatch.setattr("SkullStripSlicer.dependencies.ensure", lambda *_: None)
        parent = application.ModuleParent()
        widget = SkullStrip.SkullStripWidget(Proxy(parent))
        parent.entered = False
        widget.setup()
        parent.resize(420, 900)
        parent.show()
        enter(widget)
        made.append((widget, parent))
        return widget

    yield make
    for widget, parent in made:
        widget.cleanup()
        parent.close()
    assert SLOT_ERRORS == []


@pytest.fixture
def widget(volume, makeWidget):
    return makeWidget()


def click(proxy):
    slicer.app.processEvents()  # the layout is brought up to date, as before any user's click
    QtTest.QTest.mouseClick(unwrap(proxy), QtCore.Qt.MouseButton.LeftButton)


def enter(widget):
    """Open the module, as Slicer does."""
    unwrap(widget.parent).entered = True
    widget.enter()


def leave(widget):
    """Open another module; what `exit` the widget has is called."""
    unwrap(widget.parent).entered = False
    getattr(widget, "exit", lambda: None)()


def column(table, number):
    """The texts in one column of a table."""
    table = unwrap(table)
    return [table.item(row, number).text() for row in range(table.rowCount())]


def strip(widget):
    assert wait_for(lambda: widget.ui.stripButton.enabled)
    click(widget.ui.stripButton)
    assert wait_for(lambda: not widget.runPanel.isRunning)
    assert widget.resultPanel.segmentation is not None, widget.ui.progressLabel.text
    return widget.resultPanel.segmentation
