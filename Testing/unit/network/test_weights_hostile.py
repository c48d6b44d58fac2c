"""Weights are data: whatever their file or its manifest holds, it is refused in one sentence."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skullstrip.errors import WeightsError
from skullstrip.network.engines import create_engine
from skullstrip.network.manifest import MANIFEST_NAME, Architecture, Manifest, load_manifest
from skullstrip.network.weights import read_weights


def custom(folder, content, architecture=None):
    """A folder with a weights file and the manifest that vouches for it."""
    (folder / "w.onnx").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    manifest = Manifest("custom", "w.onnx", digest, architecture or Architecture())
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return folder


def bundled():
    return onnx.load(load_manifest()[1])


@pytest.mark.parametrize("engine", ["onnxruntime", "tensorflow"])
@pytest.mark.parametrize("fault", ["empty", "text", "cut", "kernel", "missing", "other", "outside"])
@pytest.mark.slow
def test_weights_that_are_no_network_of_ours_are_refused_by_each_engine(tmp_path, engine, fault):
    model = bundled()
    variables = {tensor.name: tensor for tensor in model.graph.initializer}
    kernel = variables["decoder1_conv_a/kernel"]
    if fault == "kernel":
        kernel.dims[:] = [3, 3, 1]
    elif fault == "missing":
        model.graph.initializer.remove(kernel)
    elif fault == "other":
        model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 1
        del model.graph.initializer[:-5]
    elif fault == "outside":  # another file of the user's, named as if it held the numbers
        secret = tmp_path / "secret"
        secret.write_bytes(kernel.raw_data)
        onnx.external_data_helper.set_external_data(kernel, str(secret))
        kernel.ClearField("raw_data")
    content = model.SerializeToString()
    content = {"empty": b"", "text": b"a letter", "cut": content[:-1000]}.get(fault, content)
    with pytest.raises(WeightsError, match=r"^[^\n]*\.$"):
        create_engine(engine, *load_manifest(custom(tmp_path, content)), "cpu", 1)


def test_weights_of_another_architecture_are_refused_by_keras(tmp_path):
    content = load_manifest()[1].read_bytes()
    folder = custom(tmp_path, content, Architecture(top_layer="block9z_add"))
    with pytest.raises(WeightsError):
        create_engine("tensorflow", *load_manifest(folder), "cpu", 1)


def test_a_weight_that_is_no_number_is_refused_by_name():
    model = bundled()
    bias = next(t for t in model.graph.initializer if t.name == "logits/bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.array([np.nan], np.float16), "logits/bias"))
    with pytest.raises(WeightsError, match=r"'logits/bias' holds NaN"):
        read_weights(model.SerializeToString())


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_file_is_read_as_it_was_or_refused(data):
    array = onnx.numpy_helper.from_array(np.ones((2, 3), np.float16), "a/kernel")
    graph = onnx.helper.make_graph([], "g", [], [], [array])
    content = bytearray(onnx.helper.make_model(graph).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_weights(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except WeightsError as error:
        assert str(error).endswith(".")  # noqa: PT017  (it may also succeed)
    else:
        assert all(array.dtype == np.float32 for array in found.values())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
FIELDS = [
    *[(part, field) for part in ("architecture", "preprocessing") for field in ("", *(
        ("skip_layers", "top_layer", "decoder_widths")
        if part == "architecture"
        else ("spacing_mm", "neighbour_offset", "low_percentile", "head_margin_mm")
    ))],
    *[("", field) for field in ("name", "weights_file", "weights_sha256", "threshold", "x")],
]  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(FIELDS), JSON)
def test_any_json_in_a_manifest_is_refused_or_makes_sense(field, value):
    content = json.loads(Manifest(name="a", weights_file="w", weights_sha256="0" * 64).to_json())
    part, name = field
    if part and name:
        content[part][name] = value
    else:
        content[part or name] = value
    try:
        manifest = Manifest.from_json(json.dumps(content))
    except WeightsError as error:
        assert str(error).endswith(".")  # noqa: PT017  (it may also succeed)
    else:
        assert 0 < manifest.threshold < 1
        assert manifest.weights_file == Path(manifest.weights_file).name
        assert max(manifest.architecture.decoder_widths) <= 1024
