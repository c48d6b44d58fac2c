"""SkullStrip in 3D Slicer: the module, its panel and its logic.

This file only wires; what happens is in SkullStripSlicer, and the method in skullstrip.
"""

from __future__ import annotations

import sys
from pathlib import Path

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

from SkullStripSlicer.batch_panel import BatchPanel, OthersPanel
from SkullStripSlicer.clicks_panel import ClicksPanel
from SkullStripSlicer.dependencies import AdvancedPanel
from SkullStripSlicer.logic import StripLogic
from SkullStripSlicer.panel import TONE, say, told
from SkullStripSlicer.parameter_node import SkullStripParameterNode
from SkullStripSlicer.result_panel import ResultPanel
from SkullStripSlicer.review_panel import ReviewPanel
from SkullStripSlicer.run_panel import RunPanel
from SkullStripSlicer.self_test import SkullStripTest

# Slicer looks for `SkullStripTest` here.
__all__ = ["SkullStrip", "SkullStripLogic", "SkullStripTest", "SkullStripWidget"]


DOCUMENTATION = "https://github.com/SlicerSkullStrip/SlicerSkullStrip#readme"
# MRHead, which 3D Slicer offers without restrictions; one download serves both modules.
SAMPLE = "SkullStripMRHead"  # `SampleData.downloadSample(SAMPLE)` loads it
SHA256 = "cc211f0dfd9a05ca3841ce1141b292898b2dd2d3f08286affadf823a7e58df93"
SAMPLE_URL = f"https://github.com/Slicer/SlicerTestingData/releases/download/SHA256/{SHA256}"
THUMBNAIL = Path(__file__).resolve().parent / "Resources" / "Icons" / f"{SAMPLE}.png"


class SkullStrip(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("SkullStrip")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["SegmentEditor"]
        self.parent.contributors = ["The SkullStrip developers"]
        self.parent.helpText = _(
            "Finds the brain in an MRI of the head, best on T1, on any computer, in a process of "
            "its own. Choose the scan and click <b>Strip skull</b>. The first click offers to "
            "install ONNX Runtime (about 45 MB); Advanced removes it again. "
            "For research; not a medical device."
        )
        link = '<p><a href="{address}">{words}</a></p>'
        words = _("Documentation, and what the figures mean")
        self.parent.helpText += link.format(address=DOCUMENTATION, words=words)
        self.parent.acknowledgementText = _(
            "The network is a U-Net (Ronneberger et al., MICCAI 2015) with an EfficientNet-B0 "
            "encoder (Tan and Le, ICML 2019)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """List MRHead in the Sample Data module; Slicer downloads it once asked to, and checks it."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="SkullStrip",
        sampleName=SAMPLE,
        thumbnailFileName=str(THUMBNAIL),
        uris=SAMPLE_URL,
        fileNames="MR-head.nrrd",
        nodeNames="MRHead",
        checksums=f"SHA256:{SHA256}",
    )


class SkullStripLogic(ScriptedLoadableModuleLogic, StripLogic):
    """`strip(volumeNode)`, `stripFolder(input, output)` and `stripScene()`; see `StripLogic`."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        StripLogic.__init__(self)

    def getParameterNode(self) -> SkullStripParameterNode:
        """Return the settings of the current scene; the defaults where they mean nothing here."""
        node = super().getParameterNode()
        try:
            return SkullStripParameterNode(node)
        except ValueError:  # a choice of another version
            node.UnsetAllParameters()
            return SkullStripParameterNode(node)


class SkullStripWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: its parts around one parameter node."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
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
        self.advancedPanel = AdvancedPanel(self)
        self.runPanel = RunPanel(self)
        self.resultPanel = ResultPanel(self)
        self.clicksPanel = ClicksPanel(self)
        self.othersPanel = OthersPanel(self)
        self.batchPanel = BatchPanel(self)
        self.reviewPanel = ReviewPanel(self)
        self.running = (self.runPanel, self.othersPanel, self.batchPanel)
        self.parts = (*self.running, self.resultPanel, self.clicksPanel, self.reviewPanel)
        self.tell = self.runPanel.tell
        slicer.app.connect("paletteChanged(QPalette)", self.onPaletteChanged)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        # A scene was closed, loaded or both, or many nodes came at once.
        self.addObserver(scene, scene.EndBatchProcessEvent, self.onSceneChanged)
        self.onSceneChanged()

    def cleanup(self) -> None:
        """End what runs: the panel is destroyed."""
        self.reviewPanel.close()
        for part in self.running:
            part.cancel()
        self.logic.children.end()
        slicer.app.disconnect("paletteChanged(QPalette)", self.onPaletteChanged)
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self) -> None:
        """Show what has changed while the module was left; a run and a batch went on."""
        self.advancedPanel.refresh()
        self.reviewPanel.enter()
        self.onSceneChanged()

    def exit(self) -> None:
        """Leave mouse and keys to the module that is opened; a review stays as it is."""
        self.clicksPanel.stopPlacing()
        self.reviewPanel.leave()

    def setParameterNode(self, parameterNode: SkullStripParameterNode | None) -> None:
        """Bind the panel to settings; None while the scene is closed."""
        modified = vtk.vtkCommand.ModifiedEvent
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode.parameterNode, modified, self.refresh)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode.parameterNode, modified, self.refresh)
        for part in self.parts:
            part.setScene(None if parameterNode is None else slicer.mrmlScene)

    @told
    def onPaletteChanged(self) -> None:
        """Say all again in the colours of the new palette, which a style sheet does not follow."""
        for label in vars(self.ui).values():
            if tone := label.property(TONE):
                say(label, label.text, tone)

    @told
    def onSceneStartClose(self, caller, event) -> None:
        """Ask about a correction, and let the settings go, which leave with the scene."""
        self.reviewPanel.close()
        self.setParameterNode(None)
        self.refresh()

    @told
    def onSceneChanged(self, caller=None, event=None) -> None:
        """Use the settings of the scene as it is now, and draw all of it."""
        node, known = self.logic.getParameterNode(), self._parameterNode
        if known is None or known.parameterNode is not node.parameterNode:
            self.setParameterNode(node)
        self.runPanel.follow()
        self.resultPanel.draw()
        self.refresh()

    @told
    def refresh(self, caller=None, event=None) -> None:
        """Draw what depends on the settings and on what runs, and do what they ask for."""
        if slicer.mrmlScene.IsBatchProcessing() and self._parameterNode is not None:
            return  # the scene is half loaded; its end is heard of
        self.runPanel.draw()
        self.resultPanel.apply()

    def onScanChanged(self) -> None:
        """Draw what new voxels, or another place of the scan, may have changed."""
        self.refresh()
        self.resultPanel.drawSoon()

    def onResultDrawn(self, segmentation) -> None:
        """Draw what goes with a result."""
        self.clicksPanel.draw(segmentation)
        self.othersPanel.draw(segmentation)

    def onRunChanged(self) -> None:
        """Draw what a run that began or ended may have changed."""
        self.resultPanel.drawAfterRun()
        self.refresh()
        if not self.runPanel.isRunning:
            self.clicksPanel.apply()

    def onReload(self) -> None:
        """Load the helper packages anew too, which Slicer's own reload leaves out."""
        for name in list(sys.modules):
            if name.split(".", 1)[0] in ("skullstrip", "SkullStripSlicer"):
                del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)
