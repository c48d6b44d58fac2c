"""The module as Slicer finds it: MRHead in Sample Data, and the module's own test.

Real: scene, nodes, logics, child process and weights. Stand-ins: the application around them, whose
`connect` keeps what Slicer calls at the end of startup, and SampleData, which here loads the
development data's MRHead and downloads nothing.
"""

import re
import sys
from types import SimpleNamespace

import pytest
import slicer

from Testing.slicer.scene import loadVolume


def sampleData(monkeypatch, **functions):
    monkeypatch.setitem(sys.modules, "SampleData", SimpleNamespace(**functions))


def test_the_module_offers_mrhead_checked_by_its_hash_when_slicer_has_started(qapp, monkeypatch):
    from PySide6.QtGui import QImage

    signals, samples = {}, []

    def register(*, category, sampleName, uris, fileNames, nodeNames, thumbnailFileName, checksums):
        samples.append((category, uris, checksums, QImage(thumbnailFileName)))

    logic = SimpleNamespace(registerCustomSampleDataSource=register)
    sampleData(monkeypatch, SampleDataLogic=logic)
    monkeypatch.setattr(slicer.app, "connect", signals.__setitem__, raising=False)
    import SkullStrip

    SkullStrip.SkullStrip(SimpleNamespace())
    assert samples == []
    signals["startupCompleted()"]()
    ((category, address, checksum, thumbnail),) = samples
    assert category == "SkullStrip"
    digest = re.fullmatch(r"SHA256:([0-9a-f]{64})", checksum)
    assert digest
    assert address.startswith("https://github.com/Slicer/SlicerTestingData/releases/")
    assert address.endswith(f"/SHA256/{digest[1]}")
    assert (thumbnail.width(), thumbnail.height()) == (260, 280)


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_modules_own_test_passes_and_can_fail(qapp, child, shared_data, monkeypatch):
    import SkullStrip

    child(None)  # the real one
    scan = shared_data / "t1" / "MRHead_T1w.nii.gz"
    sampleData(monkeypatch, downloadSample=lambda name: loadVolume(scan, name))
    logic = SkullStrip.SkullStripLogic()
    monkeypatch.setattr(slicer.util, "getModuleLogic", lambda name: logic, raising=False)
    found = getattr(SkullStrip, f"{SkullStrip.SkullStrip.__name__}Test")  # by its name, as Slicer
    found().runTest()
    monkeypatch.setattr(SkullStrip.SkullStripLogic, "volumeMl", lambda *_: 12.0)
    with pytest.raises(AssertionError, match=r"12\.0"):
        found().test_strip()


@pytest.mark.parametrize("arrived", [[], ["/cache/MR-head.nrrd"]], ids=["nothing", "broken file"])
def test_without_the_sample_it_is_skipped_with_a_reason(qapp, scene, arrived, monkeypatch, capsys):
    """As Slicer's SampleData: the first of what came, a path where that could not be loaded."""
    import SkullStrip

    sampleData(monkeypatch, downloadSample=lambda name: arrived[0])
    for name in ("test_strip", "test_border_and_undo", "test_cancel"):
        result = SkullStrip.SkullStripTest(name).run()
        assert not result.errors
        assert ["MRHead cannot be downloaded" in reason for _, reason in result.skipped] == [True]
    SkullStrip.SkullStripTest().runTest()
    assert "MRHead cannot be downloaded" in capsys.readouterr().out
