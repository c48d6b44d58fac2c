"""SkullStrip in 3D Slicer: the module, its panel and its logic.

This file only wires; what happens is in SkullStripSlicer, and the method in skullstrip.
"""

from __future__ import annotations

import sys

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from SkullStripSlicer.advanced_panel import AdvancedPanel
from SkullStripSlicer.batch_panel import BatchPanel
from SkullStripSlicer.input_panel import InputPanel
from SkullStripSlicer.logic import StripLogic
from SkullStripSlicer.parameter_node import SkullStripParameterNode
from SkullStripSlicer.result_panel import ResultPanel
from SkullStripSlicer.run_panel import RunPanel
from SkullStripSlicer.sample_data import registerSampleData
from SkullStripSlicer.self_test import SkullStripTest

# Slicer looks for `SkullStripTest` here.
__all__ = ["SkullStrip", "SkullStripLogic", "SkullStripTest", "SkullStripWidget"]


class SkullStrip(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("SkullStrip")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["The SkullStrip developers"]
        self.parent.helpText = _(
            "Finds the brain in a T1-weighted MRI of the head, on any computer, in a process of "
            "its own. Choose the scan and click <b>Strip skull</b>. The first click offers to "
            "install ONNX Runtime (about 60 MB); Advanced removes it again. "
            "For research; not a medical device."
        )
        self.parent.acknowledgementText = _(
            "The network is a U-Net (Ronneberger et al., MICCAI 2015) with an EfficientNet-B0 "
            "encoder (Tan and Le, ICML 2019)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


class SkullStripLogic(ScriptedLoadableModuleLogic, StripLogic):
    """`strip(volumeNode)`, `stripFolder(input, output)` and `stripScene()`; see `StripLogic`."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        StripLogic.__init__(self)

    def getParameterNode(self) -> SkullStripParameterNode:
        """The settings of the current scene."""
        return SkullStripParameterNode(super().getParameterNode())


class SkullStripWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: input, button, result, batch and advanced parts around one parameter node."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._guiTag = None

    def setup(self) -> None:
        """Build the panel from the .ui file."""
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/SkullStrip.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = SkullStripLogic()
        self.inputPanel = InputPanel(self.ui, self.onSettingsChanged)
        self.runPanel = RunPanel(self.ui, self.logic, self.onStripped)
        self.resultPanel = ResultPanel(self.ui, self.logic)
        self.batchPanel = BatchPanel(self.ui, self.logic)
        self.advancedPanel = AdvancedPanel(self.ui)
        # `nodeActivated` comes from the user only, `currentNodeChanged` also from the program.
        self.ui.inputSelector.connect("nodeActivated(vtkMRMLNode*)", self.onInputActivated)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """The panel is destroyed: end what runs."""
        self.runPanel.cancel()
        self.batchPanel.cancel()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self) -> None:
        """The module is opened."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """The module is left: a run ends, a batch goes on."""
        self.runPanel.cancel()

    def initializeParameterNode(self) -> None:
        """Use the settings of the current scene."""
        if self._parameterNode is None:
            self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode: SkullStripParameterNode | None) -> None:
        """Bind the panel to settings; None while the scene is closed."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            modified = vtk.vtkCommand.ModifiedEvent
            self.removeObserver(self._parameterNode, modified, self.onSettingsChanged)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self.ui)
            modified = vtk.vtkCommand.ModifiedEvent
            self.addObserver(parameterNode, modified, self.onSettingsChanged)
        for part in (self.inputPanel, self.runPanel, self.resultPanel, self.batchPanel):
            part.setParameterNode(parameterNode)
        self.onSettingsChanged()

    def onSettingsChanged(self, caller=None, event=None) -> None:
        """A setting changed, by a widget or otherwise."""
        if self._parameterNode is None:
            self.ui.stripButton.enabled = False
            return
        self.inputPanel.update()
        self.ui.stripButton.enabled = not self.inputPanel.isRefused or self.runPanel.isRunning
        self.resultPanel.follow()
        self.resultPanel.apply()

    def onInputActivated(self, node=None) -> None:
        """The user picked a scan: no longer follow the one shown."""
        self.inputPanel.chosenByUser()

    def onStripped(self, segmentationNode) -> None:
        """A run put a result into the scene."""
        self._parameterNode.result = segmentationNode
        self.resultPanel.refresh()
        self.resultPanel.apply()
        self.advancedPanel.refresh()

    def onNodeRemoved(self, caller, event) -> None:
        """A node went away, perhaps the result."""
        if self._parameterNode is not None and self._parameterNode.result is None:
            self.resultPanel.refresh()

    def onSceneStartClose(self, caller, event) -> None:
        """The settings go away with the scene."""
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event) -> None:
        """The new scene has settings of its own."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onReload(self) -> None:
        """Load the helper packages anew too, which Slicer's own reload leaves out."""
        for name in list(sys.modules):
            if name.split(".", 1)[0] in ("skullstrip", "SkullStripSlicer"):
                del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)
