"""The network of `model.py` as an ONNX graph, built from the same manifest and weights.

The weights file stays the one truth: nothing is exported or shipped twice, and the user needs no
Keras. The test `test_onnxruntime_engine.py` holds this file and `model.py` together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..errors import WeightsError
from .manifest import Architecture
from .onnx_writer import GraphWriter


class Stage(NamedTuple):
    """One row of EfficientNet-B0's table (Tan and Le, ICML 2019)."""

    repeats: int
    kernel: int
    stride: int
    expands: bool
    channels: int


ENCODER_STAGES = (
    Stage(1, 3, 1, False, 16),
    Stage(2, 3, 2, True, 24),
    Stage(2, 5, 2, True, 40),
    Stage(3, 3, 2, True, 80),
    Stage(3, 5, 1, True, 112),
    Stage(4, 5, 2, True, 192),
    Stage(1, 3, 1, True, 320),
)


def build_onnx(architecture: Architecture, weights: Mapping[str, np.ndarray]) -> bytes:
    """Serialise the network with its weights.

    Parameters
    ----------
    architecture : Architecture
    weights : mapping of str to ndarray
        As `weights.read_weights` returns them: Keras' variable paths, float32.

    Returns
    -------
    bytes
        An ONNX model, (N, H, W, channels) float32 to (N, H, W, 1) float32.

    Raises
    ------
    WeightsError
        The weights belong to another architecture.
    """
    graph = GraphWriter(weights, architecture.channels)
    image = graph.node("Transpose", ["image"], perm=[0, 3, 1, 2])
    features = encoder(graph, image, architecture)
    decoded = decoder(graph, features, architecture)
    graph.node("Transpose", [probability(graph, decoded, architecture)], "probability",
               perm=[0, 2, 3, 1])  # fmt: skip
    return graph.serialise(architecture.channels)


def encoder(graph: GraphWriter, image: str, architecture: Architecture) -> list[str]:
    """EfficientNet-B0 up to the top layer: the skip connections, finest first, then the top."""
    wanted = (*architecture.skip_layers, architecture.top_layer)
    x = graph.normed_conv(image, "stem_conv", "stem_bn", stride=2)
    x = graph.swish(x, "stem_activation")
    for number, stage in enumerate(ENCODER_STAGES, start=1):
        for repeat in range(stage.repeats):
            x = inverted_bottleneck(graph, x, f"block{number}{'abcd'[repeat]}_", stage, repeat)
    if architecture.top_layer == "top_activation":
        x = graph.normed_conv(x, "top_conv", "top_bn")
        graph.swish(x, "top_activation")
    missing = [name for name in wanted if name not in graph.layers]
    if missing:
        raise WeightsError(f"The architecture names a layer '{missing[0]}' that is not there.")
    return [graph.layers[name] for name in wanted]


def inverted_bottleneck(graph: GraphWriter, x: str, name: str, stage: Stage, repeat: int) -> str:
    """Expand, convolve each channel, squeeze and excite, project, add where the shape stayed."""
    inputs = x
    if stage.expands:
        x = graph.normed_conv(x, f"{name}expand_conv", f"{name}expand_bn")
        x = graph.swish(x, f"{name}expand_activation")
    stride = stage.stride if repeat == 0 else 1
    x = graph.normed_conv(x, f"{name}dwconv", f"{name}bn", stride=stride, depthwise=True)
    x = graph.swish(x, f"{name}activation")
    squeezed = graph.node("GlobalAveragePool", [x])
    squeezed = graph.swish(graph.biased_conv(squeezed, f"{name}se_reduce"))
    excited = graph.node("Sigmoid", [graph.biased_conv(squeezed, f"{name}se_expand")])
    x = graph.node("Mul", [x, excited])
    x = graph.normed_conv(x, f"{name}project_conv", f"{name}project_bn", whole_blocks=True)
    return graph.node("Add", [x, inputs], f"{name}add") if repeat else x


def decoder(graph: GraphWriter, features: list[str], architecture: Architecture) -> str:
    """Double the resolution, join a skip connection and convolve twice, stage by stage."""
    *skips, x = features
    for stage in range(1, len(architecture.decoder_widths) + 1):
        x = graph.upsample(x)
        if skips:
            x = graph.concatenate(x, skips.pop())
        for step in "ab":
            name = f"decoder{stage}"
            x = graph.normed_conv(x, f"{name}_conv_{step}", f"{name}_norm_{step}")
            x = graph.node("Relu", [x])
    return x


def probability(graph: GraphWriter, x: str, architecture: Architecture) -> str:
    """Sigmoid probability at the input's resolution, see `model.probability_head`."""
    if len(architecture.decoder_widths) == 5:
        logits = graph.biased_conv(x, "logits")
    else:  # the transposed convolution, as one 1x1 convolution to the four voxels of each cell
        kernel, bias = graph.take("logits/kernel"), graph.take("logits/bias")
        cells = kernel[:, :, 0].reshape(4, -1, 1, 1)
        logits = graph.conv(x, "logits", cells, np.repeat(bias, 4))
        logits = graph.node("DepthToSpace", [logits], blocksize=2)
    return graph.node("Sigmoid", [logits])
