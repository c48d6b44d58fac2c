"""Weights files: variables come back, equal weights give equal bytes, no misfit goes in."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skullstrip.errors import WeightsError
from skullstrip.network.manifest import Architecture, load_manifest, read_weights_file
from skullstrip.network.weights import read_weights
from training.publishing.onnx_graph import build_onnx


def test_the_bundled_file_is_what_its_own_variables_make():
    manifest, path = load_manifest()
    variables = read_weights(path.read_bytes())
    assert sum(array.size for array in variables.values()) > 4e6
    assert build_onnx(manifest.architecture, variables) == path.read_bytes()


def test_the_bundled_weights_have_an_int8_form_that_was_not_altered():
    manifest, path = load_manifest()
    assert len(read_weights_file(manifest, path, int8=True)) < 0.7 * path.stat().st_size


def test_a_weight_beyond_half_precision_is_refused_by_name():
    weights = read_weights(load_manifest()[1].read_bytes())
    with pytest.raises(WeightsError, match="logits/bias"):
        build_onnx(Architecture(), weights | {"logits/bias": np.array([1e6])})


def test_single_precision_is_rounded_to_half():
    weights = read_weights(load_manifest()[1].read_bytes())
    finer = {name: array + np.float32(1e-9) for name, array in weights.items()}
    found = read_weights(build_onnx(Architecture(), finer))
    assert found.keys() == weights.keys()
    for name, array in finer.items():
        assert_array_equal(found[name], array.astype(np.float16).astype(np.float32))
