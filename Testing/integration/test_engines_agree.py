"""Every installed engine, on slices of a real head with the bundled weights, against TensorFlow.

Each engine runs in a process of its own: Keras has one backend a process.
"""

import numpy as np
import pytest

from skullstrip.grid.regions import dice
from skullstrip.grid.volume import Volume
from skullstrip.io.images import read_image
from skullstrip.network.brain_region import slice_batch
from skullstrip.network.engine import ENGINE_NAMES
from skullstrip.network.engines import missing_packages
from skullstrip.network.manifest import load_manifest
from skullstrip.prepare.preprocess import prepare
from Testing.programs import ENVIRONMENT, run_python

REFERENCE = "tensorflow"
PROBABILITY_TOLERANCE = 2e-3
MASK_DICE, INT8_DICE = 0.999, 0.995  # of single slices; views put together agree better
QUICK_TO_COMPILE = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}  # half of JAX's time
PREDICT = """
import sys
import numpy as np
from skullstrip.network.engines import create_engine
from skullstrip.network.manifest import load_manifest
engine, batch, found = sys.argv[1:]
np.save(found, create_engine(engine, *load_manifest(), "cpu", 2).predict(np.load(batch)))
"""

pytestmark = [pytest.mark.slow, pytest.mark.shared_data]


@pytest.fixture(scope="module")
def batch(shared_data, tmp_path_factory):
    """Three slices through a head, from one side to the other."""
    image = read_image(shared_data / "t1" / "petdeface01_T1w.nii.gz")
    head = prepare(
        Volume(image.array, image.affine), load_manifest()[0].preprocessing.spacing_mm
    ).head
    indices = np.linspace(0, len(head) - 1, 5).astype(int)[1:-1]
    path = tmp_path_factory.mktemp("batch") / "batch.npy"
    np.save(path, slice_batch(head, indices))
    return path


def predict(engine, batch):
    """Probability by one engine, remembered beside the batch."""
    found = batch.with_name(f"{engine}.npy")
    if not found.exists():
        done = run_python("-c", PREDICT, engine, batch, found, env=ENVIRONMENT | QUICK_TO_COMPILE)
        assert done.returncode == 0, done.stderr
    return np.load(found)


@pytest.mark.parametrize("engine", [name for name in ENGINE_NAMES if name != REFERENCE])
def test_an_engine_agrees_with_tensorflow_on_a_real_head(engine, batch):
    for needed in (engine, REFERENCE):
        if missing_packages(needed):
            pytest.skip(f"{needed} is not installed")
    expected, found = predict(REFERENCE, batch), predict(engine, batch)
    assert (expected >= 0.5).mean() > 0.05, "there is brain in these slices"
    int8 = engine == ENGINE_NAMES[0] and load_manifest()[0].int8_file
    if not int8:
        np.testing.assert_allclose(found, expected, atol=PROBABILITY_TOLERANCE)
    assert dice(found >= 0.5, expected >= 0.5) >= (INT8_DICE if int8 else MASK_DICE)
