"""Fixtures of the tests on Slicer's own code; skipped where `slicer-core` is not installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.phantoms import make_head
from Testing.programs import ROOT

EXIT_STATUS = pytest.StashKey[int]()
collect_ignore_glob = []
try:
    import PySide6  # noqa: F401
    import slicer

    from Testing.slicer.panel_fixtures import child, makeWidget, qapp, widget  # noqa: F401
except ImportError:
    slicer = None
    collect_ignore_glob.append("test_*.py")


def pytest_sessionfinish(session, exitstatus):
    session.config.stash[EXIT_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Leave without the interpreter's teardown, once every result is printed.

    Before Python 3.12 True and False are counted, and some extension module of VTK, Slicer or Qt
    counts them wrongly, upon which a run with no failure now and then aborts at its very end.
    """
    if slicer is not None and sys.version_info < (3, 12) and EXIT_STATUS in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[EXIT_STATUS])


def pytest_report_header():
    version = "not installed: the tests in Testing/slicer are left out" if slicer is None else "yes"
    return f"slicer-core: {version}"


@pytest.fixture
def scene(tmp_path_factory):
    """A real, empty MRML scene.

    No display may go from it before what it shows, and no stray points may be left in it.
    """
    from Testing.slicer.scene import DISPLAYS_GONE_FIRST, makeScene, strayPoints

    DISPLAYS_GONE_FIRST.clear()
    scene = makeScene(tmp_path_factory.mktemp("cache"))
    yield scene
    stray = strayPoints(scene)
    scene.Clear(1)
    assert stray == []
    assert DISPLAYS_GONE_FIRST == []


@pytest.fixture
def head():
    return make_head("PIR", (2.0, 2.5, 3.0), oblique_degrees=10)


@pytest.fixture
def volume(scene, head):
    """A scan, shown in the red view."""
    from Testing.slicer.scene import addVolume

    node = addVolume(scene, head.array, head.affine)
    view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    view.SetLayoutName("Red")
    view.SetBackgroundVolumeID(node.GetID())
    return node


@pytest.fixture
def logic():
    """What a script uses, with a child that finds the brain by intensity."""
    from SkullStripSlicer.logic import StripLogic
    from Testing.slicer.child_stand_ins import THRESHOLD, script_process

    return StripLogic(script_process(THRESHOLD))


@pytest.fixture
def pythonForBatches():
    """The development environment's Python: Slicer's here lacks a few packages."""
    python = ROOT / ".venv" / "bin" / "python"
    imports = [str(python), "-c", "import psutil, onnxruntime"]
    if not python.is_file() or subprocess.run(imports, capture_output=True, check=False).returncode:
        pytest.skip("no packages for a batch in .venv: make setup")
    return python


@pytest.fixture
def temporary_files(qapp):
    """The folder of Slicer's temporary files, in which a test sees whether one was left behind."""
    return Path(slicer.app.temporaryPath)
