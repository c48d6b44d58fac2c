"""The file of a network's weights: its Keras graph as ONNX, around its own variables.

The initialisers are Keras' variables, each under its path, in Keras' layout and in half precision,
so that one file with one hash serves ONNX Runtime as it is and Keras by its arrays. ONNX Runtime
casts, transposes and folds them into the convolutions when it loads the file. What Keras' own
`model.export(format="onnx")` writes is folded already, so that Keras could not read it back, and
its graph (Keras 3.15, tf2onnx 1.17) takes a tenth more time a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skullstrip.errors import WeightsError
from skullstrip.network.manifest import CHANNELS

if TYPE_CHECKING:
    import keras

OPSET = 17  # old enough for every ONNX Runtime that the requirements allow
IR_VERSION = 8
CHANNEL_BLOCK = 16  # ONNX Runtime's fast kernels want channels in blocks of 8 or 16
DENSE, DEPTHWISE = (3, 2, 0, 1), (2, 3, 0, 1)  # Keras' kernels as ONNX has them: outputs first
# Layers that are one operation, and those that are none: what follows them pads and broadcasts.
ONE = {"Add": "Add", "Multiply": "Mul", "GlobalAveragePooling2D": "GlobalAveragePool"}
NONE = ("Dropout", "Reshape", "ZeroPadding2D")


class Tensor(NamedTuple):
    """A tensor of the graph, NCHW; its last `spare` channels are zeros that fill a block."""

    name: str
    spare: int = 0


def build_onnx(model: keras.Model) -> bytes:
    """Serialise a network of `unet.build_model` with its weights.

    The ONNX model leads from (N, H, W, 3) float32 to (N, H, W, 1) float32; equal weights give equal
    bytes. Raise WeightsError where a weight does not fit half precision.
    """
    graph = _Graph()
    tensors: dict[int, Tensor] = {}  # by the Keras tensors that they are
    for layer in model.layers:
        node = layer._inbound_nodes[-1]  # Keras has no public accessor; the last is this model's
        inputs = [tensors[id(each)] for each in node.input_tensors]
        tensors[id(node.output_tensors[0])] = last = graph.layer(layer, inputs)
    graph.add("Transpose", [last.name], "probability", perm=[0, 2, 3, 1])
    return graph.serialise()


class _Graph:
    """Collects nodes, and the variables that they use."""

    def __init__(self) -> None:
        import keras
        import onnx
        from onnx import helper, numpy_helper

        self._helper, self._to_tensor = helper, numpy_helper.from_array
        self._to_array = keras.ops.convert_to_numpy
        self._float: int = onnx.TensorProto.FLOAT
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def layer(self, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
        """Add what a Keras layer does."""
        kind = type(layer).__name__
        if kind in NONE:
            return inputs[0]
        if kind in ONE:
            names = [each.name for each in inputs]
            return inputs[0]._replace(name=self.add(ONE[kind], names))
        handlers: dict[str, Callable[..., Tensor]] = {
            "InputLayer": self.image,
            "Conv2D": self.biased,
            "DepthwiseConv2D": self.biased,
            "BatchNormalization": self.normed,
            "Activation": self.activate,
            "UpSampling2D": self.doubled,
            "Concatenate": self.joined,
            "Conv2DTranspose": self.in_cells,
        }
        return handlers[kind](layer, *inputs)

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

    def variable(self, variable: Any) -> str:
        """Add one of Keras' variables in half precision; give it in single precision."""
        with np.errstate(over="ignore"):
            half = self._to_array(variable.value).astype(np.float16)
        if not np.isfinite(half).all():
            raise WeightsError(f"The weight '{variable.path}' does not fit half precision.")
        return self.add("Cast", [self.constant(variable.path, half)], to=self._float)

    def pad(self, x: str, widths: list[int]) -> str:
        """Pad a constant with zeros, where there are any to add."""
        return self.add("Pad", [x, self.integers(*widths)]) if any(widths) else x

    def image(self, _: Any) -> Tensor:
        """Bring the channels of the network's input to the front."""
        return Tensor(self.add("Transpose", ["image"], perm=[0, 3, 1, 2]))

    def conv(self, layer: Any, x: Tensor, bias: Sequence[str] = (), spare: int = 0) -> Tensor:
        """Convolve with Keras' "same" padding for sizes that are multiples of the stride.

        Channels of zeros are added to the kernel for the spare ones of `x`, and `spare` outputs.
        """
        order = DEPTHWISE if type(layer).__name__ == "DepthwiseConv2D" else DENSE
        outputs, _, size, _ = (layer.kernel.shape[axis] for axis in order)
        kernel = self.add("Transpose", [self.variable(layer.kernel)], perm=order)
        kernel = self.pad(kernel, [0] * 4 + [spare, x.spare, 0, 0])
        stride = layer.strides[0]
        before = (size - stride) // 2 if stride > 1 else size // 2
        after = size - stride - before
        output = self.add(
            "Conv",
            [x.name, kernel, *bias],
            group=outputs if order == DEPTHWISE else 1,
            strides=[stride] * 2,
            kernel_shape=[size] * 2,
            pads=[before, before, after, after],
        )
        return Tensor(output, spare)

    def biased(self, layer: Any, x: Tensor) -> Tensor:
        """Convolve, unless a normalisation instead of a bias follows, which then does it."""
        if not layer.use_bias:
            return x
        return self.activate(layer, self.conv(layer, x, [self.variable(layer.bias)]))

    def normed(self, layer: Any, x: Tensor) -> Tensor:
        """Do the convolution before a BatchNormalization, and that.

        Channels of zeros fill the last block where a bottleneck ends, so that ONNX Runtime need not
        bring the tensor into another order before it is joined with another.
        """
        (convolution,) = (node.operation for node in layer._inbound_nodes[-1].parent_nodes)
        ends = convolution.name.endswith("project_conv")
        spare = -convolution.filters % CHANNEL_BLOCK if ends else 0
        mean = self.variable(layer.moving_mean)
        x = self.conv(convolution, x, spare=spare)
        rest = (layer.gamma, layer.beta, layer.moving_variance)
        gamma, beta, variance = map(self.variable, rest)
        padded = [self.pad(each, [0, spare]) for each in (gamma, beta, mean, variance)]
        name = self.add("BatchNormalization", [x.name, *padded], epsilon=layer.epsilon)
        return x._replace(name=name)

    def activate(self, layer: Any, x: Tensor) -> Tensor:
        """Apply a layer's activation; swish is x * sigmoid(x)."""
        name = layer.activation.__name__
        if name == "linear":
            return x
        output = self.add("Relu" if name == "relu" else "Sigmoid", [x.name])
        return x._replace(name=self.add("Mul", [x.name, output]) if name == "silu" else output)

    def doubled(self, _: Any, x: Tensor) -> Tensor:
        """Repeat rows and columns."""
        scales = self.constant("doubled", np.array([1, 1, 2, 2], np.float32))
        return x._replace(
            name=self.add(
                "Resize", [x.name, "", scales], mode="nearest", nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            )
        )  # fmt: skip

    def joined(self, layer: Any, x: Tensor, y: Tensor) -> Tensor:
        """Join channels; spare ones may only come last."""
        if x.spare:
            raise WeightsError(f"The architecture's '{layer.name}' joins what cannot be joined.")
        return Tensor(self.add("Concat", [x.name, y.name], axis=1), y.spare)

    def in_cells(self, layer: Any, x: Tensor) -> Tensor:
        """Write 2 x 2 voxels from one, as one 1 x 1 convolution to the four of each cell."""
        kernel = self.variable(layer.kernel)
        shape = self.integers(4, layer.kernel.shape[-1], 1, 1)
        cells = self.add("Reshape", [kernel, shape])
        bias = self.add("Expand", [self.variable(layer.bias), self.integers(4)])
        logits = self.add("Conv", [x.name, cells, bias], kernel_shape=[1, 1])
        return Tensor(self.add("DepthToSpace", [logits], blocksize=2))

    def serialise(self) -> bytes:
        """Close the graph between `image` and `probability`."""
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
