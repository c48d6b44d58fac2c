"""The file of a network's weights: the graph of `unet.py` as ONNX, around its own variables.

The initialisers are Keras' variables, each under its path, in Keras' layout and in half precision,
so that one file with one hash serves ONNX Runtime as it is and Keras by its arrays. ONNX Runtime
casts, transposes and folds them into the convolutions when it loads the file. What Keras' own
`model.export(format="onnx")` writes is folded already, so that Keras could not read it back, and
its graph (Keras 3.15, tf2onnx 1.17) takes a tenth more time a slice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from skullstrip.errors import WeightsError
from skullstrip.network.manifest import CHANNELS, Architecture

OPSET = 17  # old enough for every ONNX Runtime that the requirements allow
IR_VERSION = 8
NORM_EPSILON = 1e-3  # the default of Keras' BatchNormalization
CHANNEL_BLOCK = 16  # ONNX Runtime's fast kernels want channels in blocks of 8 or 16
DENSE, DEPTHWISE = (3, 2, 0, 1), (2, 3, 0, 1)  # Keras' kernels as ONNX has them: outputs first


class Stage(NamedTuple):
    """One row of EfficientNet-B0's table (Tan and Le, ICML 2019)."""

    repeats: int
    kernel: int
    stride: int
    expands: bool
    channels: int


class Tensor(NamedTuple):
    """A tensor of the graph, NCHW; its last `spare` channels are zeros that fill a block."""

    name: str
    channels: int
    spare: int = 0


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
    """Serialise the network with its weights, Keras' variables by their paths.

    The ONNX model leads from (N, H, W, 3) float32 to (N, H, W, 1) float32; equal weights give equal
    bytes.

    Raises
    ------
    WeightsError
        The weights belong to another architecture, or one does not fit half precision.
    """
    graph = _Graph(weights, architecture.activation)
    image = graph.add("Transpose", ["image"], perm=[0, 3, 1, 2])
    features = _encoder(graph, Tensor(image, CHANNELS), architecture)
    decoded = _decoder(graph, features, architecture)
    probability = _probability_head(graph, decoded, len(architecture.decoder_widths))
    graph.add("Transpose", [probability], "probability", perm=[0, 2, 3, 1])
    return graph.serialise()


def _encoder(graph: _Graph, x: Tensor, architecture: Architecture) -> list[Tensor]:
    """EfficientNet-B0 up to the top layer: the skip connections, finest first, then the top."""
    layers: dict[str, Tensor] = {}
    x = graph.normed_conv(x, "stem_conv", "stem_bn", stride=2)
    x = graph.activate(x)
    for number, stage in enumerate(ENCODER_STAGES, start=1):
        for repeat in range(stage.repeats):
            name = f"block{number}{'abcd'[repeat]}_"
            x = _inverted_bottleneck(graph, x, name, stage, repeat, layers)
    if architecture.top_layer == "top_activation":
        layers["top_activation"] = graph.activate(graph.normed_conv(x, "top_conv", "top_bn"))
    wanted = (*architecture.skip_layers, architecture.top_layer)
    if missing := [name for name in wanted if name not in layers]:
        raise WeightsError(f"The architecture names a layer '{missing[0]}' that is not there.")
    return [layers[name] for name in wanted]


def _inverted_bottleneck(
    graph: _Graph, x: Tensor, name: str, stage: Stage, repeat: int, layers: dict[str, Tensor]
) -> Tensor:
    """Expand, convolve each channel, squeeze and excite, project, add where the shape stayed."""
    inputs = x
    if stage.expands:
        x = graph.activate(graph.normed_conv(x, f"{name}expand_conv", f"{name}expand_bn"))
        layers[f"{name}expand_activation"] = x
    stride = stage.stride if repeat == 0 else 1
    x = graph.normed_conv(x, f"{name}dwconv", f"{name}bn", stride=stride, depthwise=True)
    x = layers[f"{name}activation"] = graph.activate(x)
    squeezed = Tensor(graph.add("GlobalAveragePool", [x.name]), x.channels)
    squeezed = graph.activate(graph.biased_conv(squeezed, f"{name}se_reduce"))
    excited = graph.add("Sigmoid", [graph.biased_conv(squeezed, f"{name}se_expand").name])
    x = Tensor(graph.add("Mul", [x.name, excited]), x.channels)
    x = graph.normed_conv(x, f"{name}project_conv", f"{name}project_bn", whole_blocks=True)
    layers[f"{name}project_bn"] = x
    if repeat:
        x = layers[f"{name}add"] = x._replace(name=graph.add("Add", [x.name, inputs.name]))
    return x


def _decoder(graph: _Graph, features: list[Tensor], architecture: Architecture) -> Tensor:
    """Double the resolution, join a skip connection and convolve twice, stage by stage."""
    *skips, x = features
    for stage, width in enumerate(architecture.decoder_widths, start=1):
        x = graph.upsample(x)
        if skips:
            x = graph.concatenate(x, skips.pop())
        for step in "ab":
            name = f"decoder{stage}"
            x = graph.normed_conv(x, f"{name}_conv_{step}", f"{name}_norm_{step}")
            if x.channels != width:
                raise WeightsError(
                    f"The weights are of another network ('{name}' has {x.channels} channels, not "
                    f"{width})."
                )
            x = x._replace(name=graph.add("Relu", [x.name]))
    return x


def _probability_head(graph: _Graph, x: Tensor, decoder_stages: int) -> str:
    """Sigmoid probability at the input's resolution, see `model.probability_head`."""
    if decoder_stages == 5:
        logits = graph.biased_conv(x, "logits").name
    else:  # the transposed convolution, as one 1x1 convolution to the four voxels of each cell
        kernel, shape = graph.variable("logits/kernel")
        cells = graph.add("Reshape", [kernel, graph.integers(4, shape[-1], 1, 1)])
        bias = graph.add("Expand", [graph.variable("logits/bias")[0], graph.integers(4)])
        logits = graph.add("Conv", [x.name, cells, bias], kernel_shape=[1, 1])
        logits = graph.add("DepthToSpace", [logits], blocksize=2)
    return graph.add("Sigmoid", [logits])


class _Graph:
    """Collects nodes, and the variables that they use."""

    def __init__(self, weights: Mapping[str, np.ndarray], activation: str) -> None:
        import onnx
        from onnx import helper, numpy_helper

        self._helper, self._to_tensor = helper, numpy_helper.from_array
        self._float: int = onnx.TensorProto.FLOAT
        self._weights, self._activation = dict(weights), activation
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def add(self, kind: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        """Add an operation, and return the name of what it puts out."""
        output = name or f"{kind}_{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, array: np.ndarray) -> str:
        """Add an initialiser unless there is one of that name."""
        if name not in self._constants:
            self._constants[name] = self._to_tensor(np.ascontiguousarray(array), name)
        return name

    def integers(self, *values: int) -> str:
        """Add a list of whole numbers, such as a shape."""
        return self.constant("_".join(map(str, ("i", *values))), np.array(values, np.int64))

    def variable(self, path: str) -> tuple[str, tuple[int, ...]]:
        """Add one of Keras' variables, once; give it in single precision, and its shape."""
        try:
            array = self._weights.pop(path)
        except KeyError:
            raise WeightsError(
                f"The weights are of another network ('{path}' is missing)."
            ) from None
        with np.errstate(over="ignore"):
            half = np.asarray(array, np.float16)
        if not np.isfinite(half).all():
            raise WeightsError(f"The weight '{path}' does not fit half precision.")
        self.constant(path, half)
        return self.add("Cast", [path], to=self._float), half.shape

    def conv(
        self,
        x: Tensor,
        name: str,
        order: tuple[int, ...],
        bias: str = "",
        stride: int = 1,
        spare: int = 0,
    ) -> Tensor:
        """Convolve with Keras' "same" padding for sizes that are multiples of the stride.

        Channels of zeros are added to the kernel for the spare ones of `x`, and `spare` outputs.
        """
        kernel, shape = self.variable(f"{name}/kernel")
        outputs, _, size, _ = (shape[axis] for axis in order)
        groups = outputs if order == DEPTHWISE else 1
        kernel = self.add("Transpose", [kernel], perm=order)
        kernel = self.pad(kernel, [0] * 4 + [spare, x.spare, 0, 0])
        before = (size - stride) // 2 if stride > 1 else size // 2
        after = size - stride - before
        output = self.add(
            "Conv",
            [x.name, kernel, *([bias] if bias else [])],
            group=groups,
            strides=[stride] * 2,
            kernel_shape=[size] * 2,
            pads=[before, before, after, after],
        )
        return Tensor(output, outputs + spare, spare)

    def biased_conv(self, x: Tensor, name: str) -> Tensor:
        """Keras' Conv2D."""
        return self.conv(x, name, DENSE, self.variable(f"{name}/bias")[0])

    def normed_conv(
        self,
        x: Tensor,
        name: str,
        norm: str,
        stride: int = 1,
        depthwise: bool = False,
        whole_blocks: bool = False,
    ) -> Tensor:
        """Keras' Conv2D or DepthwiseConv2D without a bias, and the BatchNormalization behind it.

        With `whole_blocks`, channels of zeros fill the last block, so that ONNX Runtime need not
        bring the tensor into another order before it is joined with another.
        """
        means, shape = self.variable(f"{norm}/moving_mean")
        spare = -shape[0] % CHANNEL_BLOCK if whole_blocks else 0
        x = self.conv(x, name, DEPTHWISE if depthwise else DENSE, stride=stride, spare=spare)
        rest = [self.variable(f"{norm}/{part}")[0] for part in ("gamma", "beta", "moving_variance")]
        gamma, beta, mean, variance = (
            self.pad(part, [0, spare]) for part in (*rest[:2], means, rest[2])
        )
        inputs = [x.name, gamma, beta, mean, variance]
        return x._replace(name=self.add("BatchNormalization", inputs, epsilon=NORM_EPSILON))

    def pad(self, x: str, widths: list[int]) -> str:
        """Pad a constant with zeros, where there are any to add."""
        return self.add("Pad", [x, self.integers(*widths)]) if any(widths) else x

    def activate(self, x: Tensor) -> Tensor:
        """Apply the encoder's activation: ReLU, or swish, x * sigmoid(x)."""
        if self._activation == "relu":
            return x._replace(name=self.add("Relu", [x.name]))
        return x._replace(name=self.add("Mul", [x.name, self.add("Sigmoid", [x.name])]))

    def upsample(self, x: Tensor) -> Tensor:
        """Repeat rows and columns."""
        scales = self.constant("doubled", np.array([1, 1, 2, 2], np.float32))
        return x._replace(
            name=self.add(
                "Resize", [x.name, "", scales], mode="nearest", nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            )
        )  # fmt: skip

    def concatenate(self, x: Tensor, y: Tensor) -> Tensor:
        """Join channels; spare ones may only come last."""
        if x.spare:
            raise WeightsError(f"The architecture's layer '{x.name}' cannot be joined with others.")
        return Tensor(
            self.add("Concat", [x.name, y.name], axis=1), x.channels + y.channels, y.spare
        )

    def serialise(self) -> bytes:
        """Close the graph between `image` and `probability`; raise WeightsError for left-overs."""
        if self._weights:
            odd = min(self._weights)
            raise WeightsError(f"The weights are of another network ('{odd}' is left over).")
        image, result = (
            self._helper.make_tensor_value_info(
                name, self._float, ["slices", "height", "width", size]
            )
            for name, size in (("image", CHANNELS), ("probability", 1))
        )
        constants = list(self._constants.values())
        graph = self._helper.make_graph(self._nodes, "skullstrip", [image], [result], constants)
        opset = self._helper.make_opsetid("", OPSET)
        model = self._helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        return bytes(model.SerializeToString(deterministic=True))
