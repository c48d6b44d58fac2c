"""Stand-ins for what only the application has: `slicer.app`, `qt`, the scripted-module classes.

Real beside them: `slicer.util`, the scene, the nodes.
"""

import os
import sys
import unittest
from types import ModuleType, SimpleNamespace

import slicer
from PySide6 import QtCore, QtUiTools, QtWidgets

from Testing.programs import LIBRARY
from Testing.slicer import parameter_node_stand_in, pythonqt
from Testing.slicer.pythonqt import Proxy, unwrap, wrap
from Testing.slicer.widget_stand_ins import WIDGETS

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before an application is made
TRANSLATED = set()  # every text that went through `_()`


class Settings(dict):
    """`slicer.app.userSettings()`."""

    value, setValue = dict.get, dict.__setitem__


def translate(text):
    TRANSLATED.add(text)
    return text


class ScriptedLoadableModule:
    def __init__(self, parent):
        self.parent = parent


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        self.parent = parent
        self.layout = parent.layout()

    def setup(self):
        pass

    def resourcePath(self, name):
        return str(LIBRARY / "Resources" / name)


class ScriptedLoadableModuleLogic:
    def __init__(self):
        self.moduleName = "SkullStrip"

    def getParameterNode(self):
        """One node for the scene, as in Slicer: a singleton by the module's name."""
        scene = slicer.mrmlScene
        node = scene.GetSingletonNode("SkullStrip", "vtkMRMLScriptedModuleNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.SetSingletonTag("SkullStrip")
            node.SetModuleName("SkullStrip")
            node = scene.AddNode(node)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """In Slicer, too, a `TestCase` that is asked for `runTest`."""

    def delayDisplay(self, message):
        """In Slicer a window for a while."""
        print(message)


class ModuleParent(QtWidgets.QWidget):
    """The module's page: what `self.parent` is in the widget."""

    def __init__(self):
        super().__init__()
        QtWidgets.QVBoxLayout(self)
        self.entered = True

    isEntered = QtCore.Property(bool, lambda self: self.entered)


def loadUI(path):
    """Slicer's loader knows CTK's and Slicer's widgets; this one the stand-ins."""
    loader = QtUiTools.QUiLoader()
    for kind in WIDGETS:
        loader.registerCustomWidget(kind)
    return wrap(loader.load(path))


def childWidgetVariables(panel):
    found = unwrap(panel).findChildren(QtWidgets.QWidget)
    named = {child.objectName(): Proxy(child) for child in found if child.objectName()}
    return SimpleNamespace(**named)


def install(monkeypatch, temporaryFolder):
    """Make `slicer` look like the application for one test."""
    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    settings = Settings()
    mainWindow = Proxy(QtWidgets.QMainWindow())
    mainWindow.show()
    signals = Proxy(application)
    app = SimpleNamespace(
        connect=signals.connect,
        disconnect=signals.disconnect,
        palette=application.palette,
        processEvents=application.processEvents,
        temporaryPath=str(temporaryFolder),
        userSettings=lambda: settings,
        layoutManager=lambda: None,
    )
    i18n = ModuleType("slicer.i18n")
    i18n.tr, i18n.translate = translate, lambda context, text: translate(text)
    scripted = ModuleType("slicer.ScriptedLoadableModule")
    for kind in ("", "Widget", "Logic", "Test"):
        name = f"ScriptedLoadableModule{kind}"
        setattr(scripted, name, globals()[name])
    modules = {
        "qt": pythonqt.makeQtModule(),
        "slicer.i18n": i18n,
        "slicer.ScriptedLoadableModule": scripted,
        "slicer.parameterNodeWrapper": parameter_node_stand_in.makeModule(),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(slicer, "app", app, raising=False)
    util = {
        "loadUI": loadUI,
        "childWidgetVariables": childWidgetVariables,
        "confirmOkCancelDisplay": lambda *_: True,
        "resetThreeDViews": lambda: None,
        "mainWindow": lambda: mainWindow,
        "selectModule": lambda name: None,
    }
    for name, function in util.items():
        monkeypatch.setattr(slicer.util, name, function)
    return application
