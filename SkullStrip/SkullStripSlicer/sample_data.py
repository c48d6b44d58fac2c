"""A head to try the module on, in Slicer's Sample Data module."""

from __future__ import annotations

from pathlib import Path

CATEGORY = "SkullStrip"
NAME = "SkullStripMRHead"  # `SampleData.downloadSample(NAME)` loads it
NODE_NAME = "MRHead"
FILE_NAME = "MR-head.nrrd"  # Slicer's own name for it, so that one download serves both
SHA256 = "cc211f0dfd9a05ca3841ce1141b292898b2dd2d3f08286affadf823a7e58df93"
URL = f"https://github.com/Slicer/SlicerTestingData/releases/download/SHA256/{SHA256}"
THUMBNAIL = Path(__file__).resolve().parents[1] / "Resources" / "Icons" / f"{NAME}.png"


def registerSampleData() -> None:
    """List MRHead, which 3D Slicer offers without restrictions, under this module's name.

    Nothing is downloaded before the user asks for it; Slicer then checks the file's SHA-256.
    """
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        thumbnailFileName=str(THUMBNAIL),
        uris=URL,
        fileNames=FILE_NAME,
        nodeNames=NODE_NAME,
        checksums=f"SHA256:{SHA256}",
    )
