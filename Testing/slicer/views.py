"""Slice and 3-D views of a real scene, rendered off-screen by Slicer's own displayable managers.

`python -m Testing.slicer.views SCAN FOLDER` writes the pictures that the README shows.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

SLICE_MANAGERS = ("vtkMRMLSegmentationsDisplayableManager2D",)
THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
)
KEPT = []  # loggers, factories and windows must outlive the rendering


def renderSlice(scene, volumeNode, orientation, size):
    """One slice through the middle of a volume with the segmentations over it, RGB uint8."""
    application = scene.keptAlive[0]
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLApplicationLogic(application)
    logic.SetMRMLScene(scene)
    sliceNode = logic.AddSliceNode(orientation)
    sliceNode.SetOrientation(orientation)
    sliceNode.SetDimensions(*size, 1)
    composite = logic.GetSliceCompositeNode()
    composite.SetBackgroundVolumeID(volumeNode.GetID())
    window, renderer = offscreenWindow(size)
    logic.FitSliceToAll(*size)
    bounds = np.zeros(6)
    volumeNode.GetRASBounds(bounds)
    sliceNode.JumpSliceByCentering(*((bounds[::2] + bounds[1::2]) / 2))
    logic.UpdatePipeline()
    mapper, background = vtk.vtkImageMapper(), vtk.vtkActor2D()  # the application has a widget here
    mapper.SetInputConnection(logic.GetImageDataConnection())
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    background.SetMapper(mapper)
    renderer.AddViewProp(background)
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    group = managers(factory, application, SLICE_MANAGERS, renderer, sliceNode)
    KEPT.extend((logic, window, renderer, group))
    return pixels(window)


def render3D(scene, size):
    """The scene's surfaces from the front left, RGB uint8."""
    application = scene.keptAlive[0]
    view = scene.AddNewNodeByClass("vtkMRMLViewNode")
    view.SetBoxVisible(False)
    view.SetAxisLabelsVisible(False)
    window, renderer = offscreenWindow(size)
    factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
    group = managers(factory, application, THREE_D_MANAGERS, renderer, view)
    renderer.SetBackground(0.12, 0.16, 0.20)
    camera = renderer.GetActiveCamera()
    camera.SetPosition(-1.0, 1.2, 0.4)
    camera.SetFocalPoint(0, 0, 0)
    camera.SetViewUp(0, 0, 1)
    renderer.ResetCamera()
    camera.Zoom(1.4)
    KEPT.extend((window, renderer, group))
    return pixels(window)


def managers(factory, application, names, renderer, node):
    """Slicer's displayable managers on a renderer."""
    factory.SetMRMLApplicationLogic(application)
    for name in names:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
    group = factory.InstantiateDisplayableManagers(renderer)
    group.SetMRMLDisplayableNode(node)
    return group


def offscreenWindow(size):
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    window, renderer = vtk.vtkRenderWindow(), vtk.vtkRenderer()
    window.SetOffScreenRendering(True)
    window.SetMultiSamples(0)
    window.SetSize(*size)
    window.AddRenderer(renderer)
    interactor = vtk.vtkGenericRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    KEPT.append(interactor)
    return window, renderer


def pixels(window):
    """What a window shows, rows from the top."""
    window.Render()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    width, height, _ = grab.GetOutput().GetDimensions()
    values = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
    return values.reshape(height, width, -1)[::-1, :, :3]


def drawViews(scan, folder):
    """Strip a scan by the real network and write the README's picture."""
    from PIL import Image

    from SkullStripSlicer.logic import StripLogic
    from Testing.slicer import application_stand_in as application
    from Testing.slicer.child_stand_ins import writePythonSlicer
    from Testing.slicer.scene import loadVolume, makeScene

    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patch:
        scene = makeScene(temporary)
        application.install(patch, Path(temporary))
        writePythonSlicer(Path(temporary), None)
        patch.setenv("PATH", f"{temporary}{os.pathsep}{os.environ['PATH']}")
        volume = loadVolume(scan, "MRHead")
        StripLogic().strip(volume, surface=True)
        size, names = (360, 360), ("Axial", "Sagittal", "Coronal")
        slices = [renderSlice(scene, volume, name, size) for name in names]
        row = np.concatenate([*slices, render3D(scene, size)], axis=1)
    image = Image.fromarray(row).convert("P", palette=Image.Palette.ADAPTIVE)
    image.save(Path(folder) / "views.png")


if __name__ == "__main__":
    drawViews(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # see pytest_unconfigure in conftest.py
