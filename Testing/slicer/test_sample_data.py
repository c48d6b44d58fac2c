"""MRHead in Slicer's Sample Data module.

Stand-ins: that module, and the `connect` of the application, which here keeps what Slicer calls at
the end of startup.
"""

import re
import sys
from types import SimpleNamespace

import slicer


def test_the_module_offers_mrhead_checked_by_its_hash_when_slicer_has_started(qapp, monkeypatch):
    from PySide6.QtGui import QImage

    signals, samples = {}, []

    def register(*, category, sampleName, uris, fileNames, nodeNames, thumbnailFileName, checksums):
        samples.append((category, uris, checksums, QImage(thumbnailFileName)))

    logic = SimpleNamespace(registerCustomSampleDataSource=register)
    monkeypatch.setitem(sys.modules, "SampleData", SimpleNamespace(SampleDataLogic=logic))
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
