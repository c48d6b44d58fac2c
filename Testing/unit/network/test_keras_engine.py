"""The Keras engine and the choice of an engine; a small network with random weights."""

import hashlib

import numpy as np
import pytest

from skullstrip.errors import EngineError
from skullstrip.network.engines import create_engine, missing_packages
from skullstrip.network.manifest import Architecture, Manifest
from skullstrip.network.unet import build_model
from skullstrip.network.weights import load_weights, read_weights
from Testing.stand_ins import onnx_of

SMALL = Architecture(decoder_widths=(8, 8, 8, 8))
SAME_OUTPUT = 1e-5


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "weights.onnx"
    path.write_bytes(onnx_of(build_model(SMALL), SMALL))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Manifest("small", path.name, digest, architecture=SMALL), path


def test_the_engine_computes_what_the_network_does(weights):
    engine = create_engine("tensorflow", *weights, device="cpu", threads=1)
    assert engine.device == "cpu"
    model = build_model(SMALL)
    load_weights(model, read_weights(weights[1].read_bytes()))
    batch = np.random.default_rng(0).random((3, 64, 32, 3), dtype=np.float32)
    found = engine.predict(batch)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(model.predict_on_batch(batch)), atol=SAME_OUTPUT)


def test_an_unknown_engine_is_refused_with_the_known_ones(weights):
    with pytest.raises(EngineError, match=r"'caffe' is unknown; use one of .*tensorflow"):
        create_engine("caffe", *weights)


def test_another_keras_backend_in_the_same_process_is_refused(weights):
    other = next((n for n in ("jax", "torch") if not missing_packages(n)), None)
    if other is None:
        pytest.skip("no second Keras backend is installed")
    with pytest.raises(EngineError, match="start a new one"):
        create_engine(other, *weights)


def test_a_gpu_that_is_not_there_is_refused(weights):
    import tensorflow

    if tensorflow.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineError, match="no GPU"):
        create_engine("tensorflow", *weights, device="gpu")
