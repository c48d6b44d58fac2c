"""A real MRML scene with real module logics, from `slicer-core`; no application around it.

Real: every node, the logics of volumes, segmentations, colours and subject hierarchy, and
`slicer.util`. Stand-in: the namespace `slicer.modules`, which in the application is filled by it.
"""

from types import SimpleNamespace

import numpy as np
import slicer
import vtk

from SkullStripSlicer import outputs
from SkullStripSlicer.voxels import readMask, writeMask

DISPLAYS_GONE_FIRST = []  # upon which the views of the application crash


@vtk.calldata_type(vtk.VTK_OBJECT)
def noteDisplay(scene, _event, node):
    """Keep which display leaves the scene while what it shows is still in it."""
    if node.IsA("vtkMRMLDisplayNode") and not scene.IsBatchProcessing():
        shown = node.GetDisplayableNode()
        if shown is not None and scene.IsNodePresent(shown):
            DISPLAYS_GONE_FIRST.append(node.GetID())


def makeScene(cacheFolder):
    """A fresh scene, made the current one."""
    scene = slicer.mrmlScene = slicer.vtkMRMLScene()
    scene.AddObserver(scene.NodeAboutToBeRemovedEvent, noteDisplay)
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    colors = application.GetColorLogic()
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    application.SetModuleLogic("Colors", colors)

    def moduleLogic(kind, name):
        logic = kind()
        logic.SetMRMLScene(scene)
        logic.SetMRMLApplicationLogic(application)
        application.SetModuleLogic(name, logic)
        return logic

    volumes = moduleLogic(slicer.vtkSlicerVolumesLogic, "Volumes")
    segmentations = moduleLogic(slicer.vtkSlicerSegmentationsModuleLogic, "Segmentations")
    moduleLogic(slicer.vtkSlicerMarkupsLogic, "Markups")  # so that scenes with points can be read
    slicer.modules = SimpleNamespace(
        volumes=SimpleNamespace(logic=lambda: volumes),
        segmentations=SimpleNamespace(logic=lambda: segmentations),
    )
    cache = slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(str(cacheFolder))
    io = slicer.vtkDataIOManager()
    io.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(io)
    scene.keptAlive = (application, cache, io)  # the scene holds no references to them
    return scene


def strayPoints(scene):
    """Points that catch the mouse in the views, but correct nothing: none set, or of no result."""
    results = slicer.util.getNodesByClass("vtkMRMLSegmentationNode", scene)
    kept = [node.GetNodeReference("SkullStrip.Points") for node in results]
    points = slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode", scene)
    return [
        node.GetName()
        for node in points
        if node not in kept or not node.GetNumberOfDefinedControlPoints()
    ]


def loadVolume(path, name="T1"):
    """Load a file through its storage node, as the application does."""
    node = slicer.modules.volumes.logic().AddArchetypeVolume(str(path), name, 0)
    assert node is not None, path
    return node


def saveAndReload(scene, folder, between=lambda: None):
    """Save a scene, close it and load it again."""
    path = str(folder / "scene.mrb")
    assert scene.WriteToMRB(path, None)
    scene.Clear(0)
    between()
    assert scene.ReadFromMRB(path, True)


def voxelsOf(volume):
    """A volume's voxels (I, J, K), which can be written."""
    return slicer.util.arrayFromVolume(volume).transpose(2, 1, 0)


def maskOf(segmentation):
    """A result's mask on its scan's grid."""
    volume = outputs.sourceOf(segmentation)
    return readMask(segmentation, outputs.segmentOf(segmentation), volume)


def paint(segmentation, slices=3):
    """Paint as a user would; returns the mask after it."""
    volume, segmentId = outputs.sourceOf(segmentation), outputs.segmentOf(segmentation)
    mask = maskOf(segmentation)
    mask[:slices] = True
    writeMask(segmentation, segmentId, volume, mask, tuple(slice(0, n) for n in mask.shape))
    return mask


def harden(node, shiftMm):
    """Move a node for good, as by the Transforms module."""
    transform = node.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode", "shift")
    matrix = vtk.vtkMatrix4x4()
    for axis, shift in enumerate(shiftMm):
        matrix.SetElement(axis, 3, shift)
    transform.SetMatrixTransformToParent(matrix)
    node.SetAndObserveTransformNodeID(transform.GetID())
    node.HardenTransform()


def centreMm(segmentation):
    """Where the segment's middle lies in the world, mm."""
    bounds = np.zeros(6)
    segmentation.GetRASBounds(bounds)
    return bounds.reshape(3, 2).mean(axis=1)


def nodeIds(scene):
    return {scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes())}


def addVolume(scene, array, affine, name="T1"):
    """A scalar volume node from voxels (I, J, K) and their affine to RAS."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(affine, dtype=float).ravel())
    node.SetIJKToRASMatrix(matrix)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(array.transpose(2, 1, 0)))
    node.CreateDefaultDisplayNodes()
    return node
