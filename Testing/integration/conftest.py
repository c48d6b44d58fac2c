"""A scan on disk for the command to strip."""

import pytest

from Testing.image_files import save_head


@pytest.fixture
def scan(tmp_path):
    """T1.nii.gz in a folder of its own."""
    return save_head(tmp_path / "T1.nii.gz", "PIR", (3.0, 3.0, 3.0))
