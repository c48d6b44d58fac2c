"""What a reader sees: outline in the slice view, surface in the 3-D view, rendered off-screen.

Real: Slicer's displayable managers and its slice logic. Stand-in: the widget around a slice view,
whose part here is an image mapper. Skipped, with the reason, where no off-screen OpenGL is.
"""

import numpy as np
import pytest

from SkullStripSlicer.voxels import COLORS
from Testing.programs import run_python
from Testing.slicer.views import render3D, renderSlice

SIZE = (240, 240)
COLOR_TOLERANCE = 40  # of 255; the outline is drawn smoothly
_PROBE = (
    "from Testing.slicer.views import offscreenWindow; window, _ = offscreenWindow((8, 8)); "
    "window.Render(); raise SystemExit(0 if window.SupportsOpenGL() else 3)"
)


@pytest.fixture(scope="module")
def opengl():
    """A missing library kills the process that asks, hence one of its own."""
    done = run_python("-c", _PROBE)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        pytest.skip(f"no off-screen OpenGL here ({words[0][:200]}); see Makefile, SLICER_LIBRARIES")


@pytest.fixture
def shown(opengl, scene, volume, logic):
    return scene, volume, logic.strip(volume, surface=True)


def amber(picture):
    """Where a picture has the segment's colour."""
    color = 255 * np.array(COLORS[0])
    return np.abs(picture.astype(float) - color).max(axis=-1) < COLOR_TOLERANCE


@pytest.mark.slow
def test_the_brain_is_an_outline_over_the_scan(shown):
    scene, volume, segmentation = shown
    outlined = renderSlice(scene, volume, "Axial", SIZE)
    segmentation.SetDisplayVisibility(False)
    bare = renderSlice(scene, volume, "Axial", SIZE)
    rows, columns = np.nonzero(amber(outlined))
    assert not amber(bare).any()
    assert np.ptp(rows) > SIZE[1] / 4
    assert np.ptp(columns) > SIZE[0] / 4
    inside = amber(outlined)[rows.min() : rows.max(), columns.min() : columns.max()]
    assert inside.mean() < 0.2  # not filled


@pytest.mark.slow
def test_the_surface_is_in_the_3d_view(shown):
    scene, _, segmentation = shown
    with_surface = render3D(scene, SIZE)
    segmentation.GetDisplayNode().SetVisibility3D(False)
    without = render3D(scene, SIZE)
    warm = [(p[..., 0].astype(int) - p[..., 2] > 40).mean() for p in (with_surface, without)]
    assert warm[0] > 0.1
    assert warm[1] == 0
