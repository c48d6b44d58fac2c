"""Fixtures of the training tests: phantoms as files, and a stand-in network.

The network here is `ThresholdEngine`, a stand-in that knows brain by its intensity: it lets whole
commands run on the phantom head without trained weights.
"""

import numpy as np
import pytest

from skullstrip.grid.volume import Volume
from skullstrip.options import Options
from Testing.image_files import save
from Testing.phantoms import make_head
from training.data.pair import Pair
from training.evaluation.evaluate import by_pipeline


def write_nifti(path, array, affine):
    """Write an array as NIfTI; bool becomes uint8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return save(path, array.astype(np.uint8 if array.dtype == bool else np.float32), affine)


@pytest.fixture(scope="session")
def nifti():
    return write_nifti


@pytest.fixture(scope="session")
def head():
    """A 4 mm phantom head and its brain mask."""
    phantom = make_head("PIR", (4.0, 4.0, 4.0))
    return Volume(phantom.array, phantom.affine), phantom.brain_mask


@pytest.fixture(scope="session")
def phantom_data(tmp_path_factory):
    """A data set of two phantoms in the original project's flat layout."""
    root = tmp_path_factory.mktemp("phantoms")
    for name, orientation, seed in (("one", "RAS", 1), ("two", "PIR", 2)):
        phantom = make_head(orientation, (4.0, 4.0, 4.0), seed=seed)
        write_nifti(root / f"{name}.nii.gz", phantom.array, phantom.affine)
        write_nifti(root / f"{name}_mask.nii.gz", phantom.brain_mask, phantom.affine)
    return root


@pytest.fixture
def around(stand_in_weights):
    """Finds the brain by the real pipeline around a network of choice."""
    return lambda engine: by_pipeline(Options(weights=stand_in_weights, engine=engine))


@pytest.fixture
def phantom_pair(phantom_data):
    return Pair("one", phantom_data / "one.nii.gz", phantom_data / "one_mask.nii.gz", split="val")
