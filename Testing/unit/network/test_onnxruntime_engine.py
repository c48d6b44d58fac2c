"""The ONNX graph computes what Keras computes, from the same weights.

Weights are random, so that no part of the network is idle; slices are small.
"""

import dataclasses

import numpy as np
import pytest

from skullstrip.errors import EngineError
from skullstrip.network.manifest import Architecture
from skullstrip.network.onnxruntime_engine import OnnxRuntimeEngine, choose_providers, device_in_use
from skullstrip.network.unet import load_weights, read_weights
from Testing.unit.network.test_manifest import TEXTBOOK
from training.publishing.onnx_graph import build_onnx

AGREEMENT = 1e-5  # in probability; a wrong epsilon in the folding already shows as 7e-5
CPU, CUDA, COREML = "CPUExecutionProvider", "CUDAExecutionProvider", "CoreMLExecutionProvider"
RELEASED = Architecture()
NARROW_TEXTBOOK = dataclasses.replace(TEXTBOOK, decoder_widths=(32, 24, 16, 16, 8))


def random_array(path, shape, rng):
    """Draw a weight such that features neither vanish nor explode."""
    if path.endswith("kernel"):
        inputs = shape[0] * shape[1] * (1 if "dwconv" in path else shape[2])
        return rng.normal(0, 1 / np.sqrt(inputs), shape)
    if path.endswith(("gamma", "variance")):
        return rng.uniform(0.5, 1.5, shape)
    return rng.normal(0, 0.3, shape)


def keras_model_and_weights(architecture):
    from skullstrip.network.unet import build_model

    model = build_model(architecture)
    rng = np.random.default_rng(7)
    arrays = {v.path: random_array(v.path, tuple(v.shape), rng) for v in model.weights}
    load_weights(model, arrays)
    content = build_onnx(model)
    load_weights(model, read_weights(content))
    return model, content


@pytest.fixture(scope="module", params=[RELEASED, NARROW_TEXTBOOK], ids=["released", "textbook"])
def network(request):
    """A weights file, and a batch with what Keras computes of it."""
    pytest.importorskip("keras")
    model, content = keras_model_and_weights(request.param)
    batch = np.random.default_rng(8).random((5, 128, 160, 3), dtype=np.float32)
    return content, batch, np.asarray(model.predict_on_batch(batch))


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2, 20])
def test_onnx_runtime_computes_what_keras_computes(network, threads):
    content, batch, expected = network
    engine = OnnxRuntimeEngine(content, "cpu", threads, "onnxruntime")
    found = engine.predict(batch)
    assert np.ptp(expected) > 0.05, "the random network must answer with more than a constant"
    assert found.dtype == np.float32
    assert found.shape == (5, 128, 160, 1)
    np.testing.assert_allclose(found, expected, atol=AGREEMENT)
    small = engine.predict(batch[:, :33, :130])
    padded = np.pad(batch[:, :33, :130], [(0, 0), (0, 95), (0, 30), (0, 0)])
    np.testing.assert_array_equal(small, engine.predict(padded)[:, :33, :130])


@pytest.mark.parametrize(
    ("device", "available", "expected"),
    [
        ("cpu", [CUDA, CPU], [CPU]),
        ("auto", [CPU], [CPU]),
        ("auto", ["AzureExecutionProvider", CUDA, CPU], [CUDA, CPU]),
        ("gpu", [COREML, CPU], [COREML, CPU]),
    ],
)
def test_the_gpu_is_taken_where_there_is_one(device, available, expected):
    assert choose_providers(device, available) == expected


def test_a_gpu_that_fell_back_to_the_cpu_is_told_and_one_asked_for_in_vain_is_an_error():
    assert device_in_use("auto", [CPU]) == "cpu"
    assert device_in_use("auto", [CUDA, CPU]) == "gpu"
    with pytest.raises(EngineError, match="driver"):
        device_in_use("gpu", [CPU])
    with pytest.raises(EngineError, match="onnxruntime-gpu"):
        choose_providers("gpu", [CPU])
