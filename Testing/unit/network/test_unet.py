"""The network as built by Keras: shapes, size, no hidden scaling, weights that fit."""

import pytest

from skullstrip.errors import WeightsError
from skullstrip.network.manifest import Architecture
from skullstrip.network.unet import build_model
from skullstrip.network.weights import load_weights, read_weights
from Testing.stand_ins import onnx_of
from Testing.unit.network.test_manifest import TEXTBOOK

SMALL = Architecture(decoder_widths=(8, 8, 8, 8))


@pytest.fixture(scope="module")
def small_model():
    return build_model(SMALL)


@pytest.mark.parametrize(
    ("architecture", "most_millions"), [(Architecture(), 6.0), (TEXTBOOK, 10.2)]
)
def test_the_network_has_the_size_it_was_designed_for(architecture, most_millions):
    millions = build_model(architecture).count_params() / 1e6
    assert 0.75 * most_millions < millions < most_millions


def test_no_rescaling_or_normalisation_hides_in_the_graph(small_model):
    kinds = {type(layer).__name__ for layer in small_model.layers}
    assert not kinds & {"Rescaling", "Normalization"}


def test_weights_of_another_network_are_refused(small_model):
    weights = read_weights(onnx_of(small_model, SMALL))
    with pytest.raises(WeightsError, match="shape"):
        load_weights(build_model(Architecture(decoder_widths=(8, 8, 8, 16))), weights)
    with pytest.raises(WeightsError, match="'decoder5_conv_a/kernel' differs"):
        load_weights(build_model(Architecture(decoder_widths=(8,) * 5)), weights)
