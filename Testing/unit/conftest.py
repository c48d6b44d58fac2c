"""A scan in a file, and `strip_file` with a stand-in for the network."""

import pytest

from skullstrip.files import strip_file
from skullstrip.output_files import OUTPUTS
from Testing.phantoms import make_head
from Testing.stand_ins import ThresholdEngine

GRID = ("LPS", (3.0, 3.0, 3.0))
ALL_OUTPUTS = {
    "brain": "brain.nii.gz",
    "mask": "mask.nii.gz",
    "probability": "p.nii.gz",
    "confidence": "c.nii.gz",
    "head": "head.nii.gz",
    "surface": "brain.stl",
    "qc": "qc.png",
    "json": "out.json",
}


@pytest.fixture(scope="module")
def head():
    return make_head(*GRID)


@pytest.fixture
def all_outputs(tmp_path):
    """Every output that `strip_file` has of a scan that is no DICOM, and its file."""
    assert ALL_OUTPUTS.keys() == OUTPUTS.keys() - {"seg"}
    return {name: tmp_path / file for name, file in ALL_OUTPUTS.items()}


@pytest.fixture
def strip(stand_in_weights):
    """`strip_file` with the stand-in network."""

    def call(path, *, engine=None, **options):
        options.setdefault("weights", stand_in_weights)
        return strip_file(path, engine=engine or ThresholdEngine(), **options)

    return call
