"""The module's own test, which "Reload and Test" and CTest run in the application.

Real: scene, nodes, logics, child process and weights. Stand-ins: the application around them, and
SampleData, which here loads the development data's MRHead and downloads nothing.
"""

import sys
from types import SimpleNamespace

import pytest
import slicer

from Testing.slicer.scene import loadVolume


@pytest.fixture
def self_test(qapp, child, weights, shared_data, monkeypatch):
    """The class that Slicer finds in the module, by its name."""
    import SkullStrip

    child(None)  # the real one
    scan = shared_data / "t1" / "MRHead_T1w.nii.gz"
    sample = SimpleNamespace(downloadSample=lambda name: loadVolume(scan, name))
    monkeypatch.setitem(sys.modules, "SampleData", sample)
    logic = SkullStrip.SkullStripLogic()
    if weights is not None:
        pytest.skip("the module's own test takes the bundled weights, which are not there")
    monkeypatch.setattr(slicer.util, "getModuleLogic", lambda name: logic, raising=False)
    return getattr(SkullStrip, f"{SkullStrip.SkullStrip.__name__}Test")


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_modules_own_test_passes(self_test):
    self_test().runTest()


@pytest.mark.shared_data
def test_the_modules_own_test_can_fail(self_test, monkeypatch):
    from SkullStripSlicer.logic import StripLogic

    monkeypatch.setattr(StripLogic, "volumeMl", lambda *_: 12.0)
    with pytest.raises(AssertionError, match=r"12\.0"):
        self_test().test_strip()


@pytest.mark.parametrize("arrived", [[], ["/cache/MR-head.nrrd"]], ids=["nothing", "broken file"])
def test_without_the_sample_it_is_skipped_with_a_reason(qapp, scene, arrived, monkeypatch, capsys):
    """As Slicer's SampleData: the first of what came, a path where that could not be loaded."""
    import SkullStrip

    sample = SimpleNamespace(downloadSample=lambda name: arrived[0])
    monkeypatch.setitem(sys.modules, "SampleData", sample)
    for name in ("test_strip", "test_border_and_undo", "test_cancel"):
        result = SkullStrip.SkullStripTest(name).run()
        assert not result.errors
        assert ["MRHead cannot be downloaded" in reason for _, reason in result.skipped] == [True]
    SkullStrip.SkullStripTest().runTest()
    assert "MRHead cannot be downloaded" in capsys.readouterr().out
