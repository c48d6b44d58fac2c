"""The module's own test, on Slicer's sample MRHead: CTest and "Reload and Test" run it.

It needs the application and the packages of Resources/requirements.txt; where MRHead is not at
hand and cannot be downloaded, it is skipped.
"""

from __future__ import annotations

import unittest

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

BRAIN_ML = (1100.0, 1800.0)  # MRHead is an adult
BORDER_MM = 2.0


class SkullStripTest(ScriptedLoadableModuleTest):
    """Strip MRHead by the logic, as a script would, and look at what is in the scene."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run all tests; "Reload and Test" calls this, and knows nothing of skipped ones."""
        try:
            for test in (self.test_strip, self.test_border_and_undo, self.test_cancel):
                self.setUp()
                test()
        except unittest.SkipTest as reason:
            self.delayDisplay(f"Skipped: {reason}")

    def test_strip(self) -> None:
        """One call gives a segmentation of a plausible volume on the scan's grid."""
        volume, logic = self.load()
        segmentation = logic.strip(volume, brain=True, surface=True)
        millilitres = logic.volumeMl(segmentation)
        self.assertTrue(BRAIN_ML[0] < millilitres < BRAIN_ML[1], millilitres)
        segmentId = segmentation.GetSegmentation().GetSegmentIdBySegmentName("Brain")
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segmentId, volume)
        self.assertEqual(mask.shape, slicer.util.arrayFromVolume(volume).shape)
        stripped = slicer.util.getNode("MRHead stripped")
        self.assertFalse(slicer.util.arrayFromVolume(stripped)[mask == 0].any())

    def test_border_and_undo(self) -> None:
        """The border grows the brain without another run; undo leaves the scene as it was."""
        volume, logic = self.load()
        segmentation = logic.strip(volume)
        before = logic.volumeMl(segmentation)
        logic.setBorder(segmentation, BORDER_MM)
        self.assertGreater(logic.volumeMl(segmentation), before)
        self.assertFalse(logic.undo(segmentation))
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"), [])

    def test_cancel(self) -> None:
        """A cancelled run ends at once and changes nothing."""
        volume, logic = self.load()
        ended: list = []
        run = logic.strip(volume, finished=ended.append)
        run.cancel()
        self.assertEqual(ended, [run])
        self.assertIsNotNone(run.error)
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"), [])

    def load(self):
        """MRHead, and the module's logic."""
        import SampleData

        try:
            volume = SampleData.downloadSample("MRHead")
        except IndexError:  # what Slicer raises when nothing came
            volume = None
        if volume is None or isinstance(volume, str):  # a file that could not be loaded
            self.skipTest("Slicer's sample MRHead cannot be downloaded; connect to the network.")
        return volume, slicer.util.getModuleLogic("SkullStrip")
