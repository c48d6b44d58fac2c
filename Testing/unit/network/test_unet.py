"""The network as Keras builds and runs it, and its weights, which are data: no misfit goes in."""

import hashlib

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skullstrip.errors import EngineError, WeightsError
from skullstrip.network.engines import create_engine, missing_packages
from skullstrip.network.manifest import (
    MANIFEST_NAME,
    Architecture,
    Manifest,
    load_manifest,
    read_weights_file,
)
from skullstrip.network.unet import build_model, load_weights, read_weights
from training.publishing.onnx_graph import build_onnx


def test_no_rescaling_or_normalisation_hides_in_the_graph():
    kinds = {type(layer).__name__ for layer in build_model(Architecture()).layers}
    assert not kinds & {"Rescaling", "Normalization"}


def test_an_unknown_engine_is_refused_with_the_known_ones():
    with pytest.raises(EngineError, match=r"'caffe' is unknown; use one of .*tensorflow"):
        create_engine("caffe", *load_manifest())


def test_another_keras_backend_in_the_same_process_is_refused():
    other = next((n for n in ("jax", "torch") if not missing_packages(n)), None)
    if other is None:
        pytest.skip("no second Keras backend is installed")
    with pytest.raises(EngineError, match="start a new one"):
        create_engine(other, *load_manifest())


def test_a_gpu_that_is_not_there_is_refused():
    import tensorflow

    if tensorflow.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineError, match="no GPU"):
        create_engine("tensorflow", *load_manifest(), device="gpu")


def network_of(arrays):
    """The bundled network with these weights."""
    model = build_model(load_manifest()[0].architecture)
    load_weights(model, arrays)
    return model


def test_the_bundled_file_is_what_its_own_variables_make():
    path = load_manifest()[1]
    variables = read_weights(path.read_bytes())
    assert sum(array.size for array in variables.values()) > 4e6
    assert build_onnx(network_of(variables)) == path.read_bytes()


def test_the_bundled_weights_have_an_int8_form_that_was_not_altered():
    manifest, path = load_manifest()
    assert len(read_weights_file(manifest, path, int8=True)) < 0.7 * path.stat().st_size


def test_a_weight_beyond_half_precision_or_of_another_shape_is_refused_by_name():
    weights = read_weights(load_manifest()[1].read_bytes())
    network = network_of(weights | {"logits/bias": np.array([1e6])})
    with pytest.raises(WeightsError, match="'logits/bias' does not fit half precision"):
        build_onnx(network)
    with pytest.raises(WeightsError, match=r"'logits/bias' has shape \(3,\)"):
        network_of(weights | {"logits/bias": np.zeros(3)})


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
