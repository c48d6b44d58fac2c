"""A scan in a file, and `strip_file` with a stand-in for the network."""

import numpy as np
import pytest

from skullstrip.files import strip_file
from Testing.stand_ins import ThresholdEngine
from Testing.stripping_files import save


@pytest.fixture(scope="module")
def head(phantom):
    return phantom("LPS", (3.0, 3.0, 3.0))


@pytest.fixture
def scan(tmp_path, head):
    return save(tmp_path / "T1.nii.gz", head.array.astype(np.int16), head.affine)


@pytest.fixture
def strip(stand_in_weights):
    """`strip_file` with the stand-in network."""

    def call(path, *, engine=None, **options):
        options.setdefault("weights", stand_in_weights)
        return strip_file(path, engine=engine or ThresholdEngine(), **options)

    return call
