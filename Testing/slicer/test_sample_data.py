"""MRHead in Slicer's Sample Data module.

Stand-ins: that module, of which only the registering method is imitated with its own keywords, and
the `connect` of the application, which here calls at once what Slicer calls at the end of startup.
"""

import re
import sys
from types import ModuleType, SimpleNamespace

import pytest
import slicer

pytest.importorskip("PySide6")
from SkullStripSlicer import sample_data


class SampleDataLogic:
    registered: list[dict] = []

    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFiles=None,
        loadFileProperties={},  # noqa: B006 - as Slicer has it
        checksums=None,
        loadFileType=None,
    ):
        SampleDataLogic.registered.append({k: v for k, v in locals().items() if v})


@pytest.fixture
def registered(monkeypatch):
    module = ModuleType("SampleData")
    module.SampleDataLogic = SampleDataLogic
    monkeypatch.setitem(sys.modules, "SampleData", module)
    SampleDataLogic.registered.clear()
    return SampleDataLogic.registered


def test_the_module_offers_mrhead_when_slicer_has_started(qapp, registered, monkeypatch):
    signals = {}
    monkeypatch.setattr(slicer.app, "connect", signals.__setitem__, raising=False)
    import SkullStrip

    SkullStrip.SkullStrip(SimpleNamespace())
    assert registered == []
    signals["startupCompleted()"]()
    assert [sample["category"] for sample in registered] == ["SkullStrip"]


def test_the_sample_is_checked_by_its_hash(registered):
    sample_data.registerSampleData()
    (sample,) = registered
    digest = re.fullmatch(r"SHA256:([0-9a-f]{64})", sample["checksums"])
    assert digest
    assert sample["uris"].startswith("https://github.com/Slicer/SlicerTestingData/releases/")
    assert sample["uris"].endswith(f"/SHA256/{digest[1]}")


def test_the_sample_has_a_thumbnail_of_slicers_size(registered):
    from PySide6.QtGui import QImage

    sample_data.registerSampleData()
    picture = QImage(registered[0]["thumbnailFileName"])
    assert (picture.width(), picture.height()) == (260, 280)
