"""Surface files as VTK and Slicer read them: closed, outward, and where the brain is."""

import numpy as np
import pytest
import slicer
import vtk

from skullstrip.mask.surface import mask_surface, write_surface
from Testing.phantoms import BRAIN_VOLUME_ML, make_head

VOLUME_TOLERANCE = 0.01
PLACE_TOLERANCE_MM = 1.0
READERS = {".stl": vtk.vtkSTLReader, ".ply": vtk.vtkPLYReader, ".vtp": vtk.vtkXMLPolyDataReader}


@pytest.mark.parametrize("suffix", READERS)
def test_vtk_reads_one_closed_surface_with_the_brains_volume(tmp_path, suffix):
    head = make_head("LPS", (2.0, 2.0, 2.0), field_of_view_mm=(200.0, 120.0, 200.0))
    surface = mask_surface(head.brain_mask, head.affine)
    path = tmp_path / f"brain{suffix}"
    write_surface(path, surface)
    reader = READERS[suffix]()
    reader.SetFileName(str(path))
    reader.Update()
    found = reader.GetOutput()
    assert found.GetNumberOfPolys() == len(surface.triangles)
    edges = vtk.vtkFeatureEdges()  # open edges and those of more than two triangles
    edges.SetInputData(found)
    edges.ManifoldEdgesOff()
    edges.FeatureEdgesOff()
    edges.Update()
    assert edges.GetOutput().GetNumberOfCells() == 0
    properties = vtk.vtkMassProperties()
    properties.SetInputData(found)
    properties.Update()
    expected = pytest.approx(surface.volume_ml, rel=VOLUME_TOLERANCE)
    assert properties.GetVolume() / 1000 == expected
    assert surface.volume_ml < BRAIN_VOLUME_ML


@pytest.mark.parametrize("suffix", READERS)
def test_slicer_shows_the_surface_where_the_brain_is(tmp_path, suffix):
    head = make_head("RAS", (2.0, 2.0, 2.0))
    away = head.affine.copy()
    away[:3, 3] += (30.0, -50.0, 70.0)  # far from the origin, so that LPS would be elsewhere
    path = tmp_path / f"brain{suffix}"
    write_surface(path, mask_surface(head.brain_mask, away))
    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLModelNode")
    storage = scene.AddNewNodeByClass("vtkMRMLModelStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(node) == 1
    centre = node.GetPolyData().GetCenter()
    np.testing.assert_allclose(centre, (30.0, -50.0, 70.0), atol=PLACE_TOLERANCE_MM)
