"""A scan on disk for the command to strip."""

import numpy as np
import pytest

from Testing.image_files import save


@pytest.fixture
def scan(tmp_path, phantom):
    """T1.nii.gz in a folder of its own."""
    head = phantom("PIR", (3.0, 3.0, 3.0))
    return save(tmp_path / "T1.nii.gz", head.array.astype(np.int16), head.affine)
