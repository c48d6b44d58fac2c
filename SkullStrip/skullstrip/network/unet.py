"""The network, a U-Net whose encoder is EfficientNet-B0, and its weights from their ONNX file.

U-Net: Ronneberger et al., MICCAI 2015. EfficientNet: Tan and Le, ICML 2019. Built with Keras 3,
so that one definition runs on TensorFlow, JAX and PyTorch. Keras is imported when a network is
built, never when this file is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import WeightsError, reason_of
from .manifest import CHANNELS, Architecture

if TYPE_CHECKING:
    import keras


def build_model(architecture: Architecture) -> keras.Model:
    """Build the network with random weights.

    It takes (N, H, W, 3) float32 in [0, 1] to (N, H, W, 1) float32 brain probability; H and W are
    multiples of 32 and otherwise free.
    """
    import keras

    encoder, skip_connections = build_encoder(architecture)
    features = encoder.outputs[-1]
    for stage, width in enumerate(architecture.decoder_widths):
        skip = skip_connections[-1 - stage] if stage < len(skip_connections) else None
        features = decoder_block(features, skip, width, f"decoder{stage + 1}")
    probability = probability_head(features, len(architecture.decoder_widths))
    return keras.Model(encoder.inputs, probability, name="skullstrip")


def build_encoder(architecture: Architecture) -> tuple[keras.Model, list[Any]]:
    """EfficientNet-B0 and its feature maps at strides 2, 4, 8 and 16.

    `keras.applications` puts rescaling and normalisation layers in front, more of them when
    ImageNet weights are asked for; here the graph starts behind them, so that input scaling stays
    where the manifest says it is and weights always fit. Its swish gives way to what the
    architecture says.
    """
    import keras

    base = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(None, None, CHANNELS)
    )
    for layer in base.layers:
        if getattr(layer, "activation", None) is keras.activations.silu:
            layer.activation = keras.activations.get(architecture.activation)
    image = base.get_layer("stem_conv_pad").input
    taps = [base.get_layer(name).output for name in architecture.skip_layers]
    top = base.get_layer(architecture.top_layer).output
    encoder = keras.Model(image, [*taps, top], name="encoder")
    return encoder, encoder.outputs[:-1]


def decoder_block(features: Any, skip: Any | None, width: int, name: str) -> Any:
    """Double the resolution, join the skip connection, convolve twice."""
    from keras import layers

    features = layers.UpSampling2D(2, name=f"{name}_upsample")(features)
    if skip is not None:
        features = layers.Concatenate(name=f"{name}_skip")([features, skip])
    for step in ("a", "b"):
        features = layers.Conv2D(
            width, 3, padding="same", use_bias=False, name=f"{name}_conv_{step}"
        )(features)
        features = layers.BatchNormalization(name=f"{name}_norm_{step}")(features)
        features = layers.Activation("relu", name=f"{name}_relu_{step}")(features)
    return features


def probability_head(features: Any, decoder_stages: int) -> Any:
    """Sigmoid probability at the input's resolution.

    Five decoder stages end at full resolution (the textbook network). Four end at stride 2, and a
    transposed convolution writes each 2x2 cell from one feature vector: half of the arithmetic.
    """
    from keras import layers

    if decoder_stages == 5:
        logits = layers.Conv2D(1, 3, padding="same", name="logits")(features)
    else:
        logits = layers.Conv2DTranspose(1, 2, strides=2, name="logits")(features)
    return layers.Activation("sigmoid", dtype="float32", name="probability")(logits)


def read_weights(content: bytes) -> dict[str, np.ndarray]:
    """Take a network's variables out of a weights file's content, float32 by their Keras paths.

    They are what the file holds in half precision; its other constants are no variables. Raise
    WeightsError where it is no ONNX model, or holds what is no finite number.
    """
    import onnx

    try:
        graph = onnx.load_model_from_string(content).graph
        halves = (t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT16)
        weights = {t.name: onnx.numpy_helper.to_array(t).astype(np.float32) for t in halves}
    except Exception as error:  # protobuf's, which share no class with its other makes
        reason = reason_of(error)
        raise WeightsError(f"The weights cannot be read ({reason}).") from error
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise WeightsError(f"The weight '{name}' holds NaN or infinity.")
    return weights


def load_weights(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
    """Set every variable of a network by its path; raise WeightsError where one does not fit."""
    expected = {variable.path: variable for variable in model.weights}
    if arrays.keys() != expected.keys():
        odd = sorted(arrays.keys() ^ expected.keys())
        raise WeightsError(f"The weights are of another network ('{odd[0]}' differs).")
    for name, variable in expected.items():
        if arrays[name].shape != tuple(variable.shape):
            raise WeightsError(
                f"The weight '{name}' has shape {arrays[name].shape}, not {tuple(variable.shape)}."
            )
        variable.assign(arrays[name])
