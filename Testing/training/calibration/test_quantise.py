"""A network in int8, from random weights: what stays, what must not overflow, what is refused."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from skullstrip.errors import InputError
from skullstrip.network.manifest import Architecture
from skullstrip.network.onnxruntime_engine import OnnxRuntimeEngine
from skullstrip.network.unet import build_model, load_weights
from Testing.unit.network.test_onnxruntime_engine import random_array
from training.calibration import quantise as quantise_module
from training.calibration.any_size import for_any_even_size
from training.calibration.quantise import fold, judge, quantise
from training.evaluation.evaluate import Evaluation
from training.publishing.onnx_graph import build_onnx

SLICES = np.random.default_rng(8).random((5, 64, 96, 3), dtype=np.float32)


@pytest.fixture(scope="module")
def content():
    pytest.importorskip("keras")
    rng, model = np.random.default_rng(7), build_model(Architecture())
    load_weights(model, {v.path: random_array(v.path, tuple(v.shape), rng) for v in model.weights})
    return build_onnx(model)


@pytest.fixture(scope="module")
def whole(content):
    return quantise(content, [SLICES[0], SLICES[1, :32], SLICES[2]])


@pytest.mark.slow
def test_the_network_in_int8_answers_as_in_float_whatever_shares_its_run(content, whole):
    expected = OnnxRuntimeEngine(content, "cpu", 1, "float32").predict(SLICES)
    engine = OnnxRuntimeEngine(whole, "cpu", 2, "int8")
    found = engine.predict(SLICES)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98
    assert np.abs(found - expected).max() > 1e-4, "it really is another arithmetic"
    for number, alone in enumerate(SLICES):
        np.testing.assert_array_equal(engine.predict(alone[None])[0], found[number])
    assert engine.predict(SLICES[:, :35, :70]).shape == (5, 35, 70, 1)


@pytest.mark.slow
def test_reworked_the_network_is_the_same_and_takes_windows_of_any_even_size(content, tmp_path):
    model = fold(content, tmp_path / "folded.onnx")
    for_any_even_size(model)
    reworked = onnxruntime.InferenceSession(model.SerializeToString())
    (found,) = reworked.run(None, {"image": SLICES})
    (expected,) = onnxruntime.InferenceSession(content).run(None, {"image": SLICES})
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert not [node for node in model.graph.node if node.op_type in ("Resize", "Concat")]
    for size in ((2, 62, 96), (2, 50, 34), (2, 36, 70)):
        odd = SLICES[: size[0], : size[1], : size[2]]
        (found,) = reworked.run(None, {"image": odd})
        assert found.shape == (*size, 1)
        near = reworked.run(None, {"image": odd[:, : size[1] // 32 * 32, : size[2] // 32 * 32]})[0]
        assert np.corrcoef(found[:, :16, :16].ravel(), near[:, :16, :16].ravel())[0, 1] > 0.9


@pytest.mark.slow
def test_no_processor_overflows_and_an_older_onnx_runtime_reads_it(content, whole):
    model = onnx.load_from_string(whole)
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    weights = [a for a in arrays.values() if a.dtype == np.int8 and a.ndim == 4]
    assert len(weights) == 89 - 6 + 4, "all but the first block's and the head's; stages have three"
    assert max(np.abs(a.astype(int)).max() for a in weights) <= 64
    assert [each.domain for each in model.opset_import] == [""]
    assert len(whole) < 0.7 * len(content)


def scores(*dice):
    return Evaluation([{"dice": each} for each in dice], [])


@pytest.mark.parametrize(
    ("whole", "passes"),
    [((0.9898, 0.9902), True), ((0.9894, 0.9896), False), ((0.9877, 0.9930), False)],
)
def test_int8_may_lose_little_in_the_mean_and_on_the_worst_scan(
    tmp_path, monkeypatch, whole, passes
):
    answers = {"onnxruntime": scores(*whole), "onnxruntime-float32": scores(0.99, 0.99)}
    monkeypatch.setattr(quantise_module, "by_pipeline", lambda options: options.engine)
    monkeypatch.setattr(quantise_module, "evaluate", lambda _, engine: answers[engine])
    if passes:
        assert "2 scans" in judge([], tmp_path)
        return
    with pytest.raises(InputError, match="too much"):
        judge([], tmp_path)
