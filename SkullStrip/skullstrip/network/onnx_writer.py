"""Writes the layers that `model.py` uses as ONNX nodes.

Each batch normalisation is folded into the convolution before it, in float32.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import WeightsError

OPSET = 17  # old enough for every ONNX Runtime that the requirements allow
IR_VERSION = 8
NORM_EPSILON = 1e-3  # the default of Keras' BatchNormalization
CHANNEL_BLOCK = 16  # ONNX Runtime's fast kernels want channels in blocks of 8 or 16


class GraphWriter:
    """Collects the nodes and constants of a graph; tensors are known by name, NCHW.

    Attributes
    ----------
    layers : dict of str to str
        The tensor that Keras' layer of that name puts out.
    spare : dict of str to int
        Channels of zeros that a tensor has behind its own.
    channels : dict of str to int
        Channels of a tensor, spare ones included; that of constants is not known.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], channels: int) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._to_tensor = helper, numpy_helper.from_array
        self._weights = dict(weights)
        self._nodes: list[object] = []
        self._constants: list[object] = []
        self.layers: dict[str, str] = {}
        self.spare: dict[str, int] = {}
        self.channels = {"image": channels}

    def take(self, path: str) -> np.ndarray:
        """Hand out a weight, once."""
        try:
            return self._weights.pop(path)
        except KeyError:
            raise WeightsError(
                f"The weights are of another network ('{path}' is missing)."
            ) from None

    def constant(self, name: str, array: np.ndarray) -> str:
        """Add a constant tensor."""
        self._constants.append(self._to_tensor(np.ascontiguousarray(array, np.float32), name))
        return name

    def node(self, kind: str, inputs: list[str], name: str = "", **attributes: object) -> str:
        """Add an operation, and return the name of what it puts out."""
        output = name or f"{kind}_{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(kind, inputs, [output], **attributes))
        self.layers[output] = output
        self.spare[output] = self.spare.get(inputs[-1 if kind == "Concat" else 0], 0)
        known = [self.channels[tensor] for tensor in inputs if tensor in self.channels]
        if kind in ("Add", "Mul") and len(set(known)) > 1:
            raise WeightsError(
                f"The weights are of another network ({known} channels at '{name}')."
            )
        self.channels[output] = sum(known) if kind == "Concat" else known[0]
        return output

    def concatenate(self, x: str, y: str) -> str:
        """Join channels; spare ones may only come last."""
        if self.spare[x]:
            raise WeightsError(f"The architecture's layer '{x}' cannot be joined with others.")
        return self.node("Concat", [x, y], axis=1)

    def conv(
        self,
        x: str,
        name: str,
        kernel: np.ndarray,
        bias: np.ndarray,
        stride: int = 1,
        groups: int = 1,
    ) -> str:
        """Convolve with Keras' "same" padding for sizes that are multiples of the stride.

        `kernel` has shape (outputs, inputs / groups, H, W).
        """
        size = kernel.shape[2]
        before = (size - stride) // 2 if stride > 1 else size // 2
        after = size - stride - before
        kernel = np.pad(kernel, [(0, 0), (0, self.spare.get(x, 0)), (0, 0), (0, 0)])
        if kernel.shape[1] * groups != self.channels[x]:  # ONNX Runtime would find out too late
            raise WeightsError(
                f"The weights are of another network ('{name}' takes {kernel.shape[1] * groups} "
                f"channels, not {self.channels[x]})."
            )
        inputs = [x, self.constant(f"{name}_w", kernel), self.constant(f"{name}_b", bias)]
        output = self.node(
            "Conv",
            inputs,
            name,
            group=groups,
            strides=[stride] * 2,
            kernel_shape=[size] * 2,
            pads=[before, before, after, after],
        )
        self.spare[output], self.channels[output] = 0, len(kernel)
        return output

    def biased_conv(self, x: str, name: str) -> str:
        """Keras' Conv2D."""
        kernel, bias = self.take(f"{name}/kernel"), self.take(f"{name}/bias")
        return self.conv(x, name, kernel.transpose(3, 2, 0, 1), bias)

    def normed_conv(
        self,
        x: str,
        name: str,
        norm: str,
        stride: int = 1,
        depthwise: bool = False,
        whole_blocks: bool = False,
    ) -> str:
        """Keras' Conv2D or DepthwiseConv2D without a bias, and the BatchNormalization behind it.

        With `whole_blocks`, channels of zeros fill the last block, so that ONNX Runtime need not
        bring the tensor into another order before it is joined with another.
        """
        kernel = self.take(f"{name}/kernel")
        kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
        scale = self.take(f"{norm}/gamma") / np.sqrt(
            self.take(f"{norm}/moving_variance") + NORM_EPSILON
        )
        bias = self.take(f"{norm}/beta") - self.take(f"{norm}/moving_mean") * scale
        kernel = kernel * scale[:, None, None, None]
        groups = len(kernel) if depthwise else 1
        spare = -len(kernel) % CHANNEL_BLOCK if whole_blocks else 0
        kernel, bias = np.pad(kernel, [(0, spare), *[(0, 0)] * 3]), np.pad(bias, (0, spare))
        output = self.conv(x, name, kernel, bias, stride, groups)
        self.layers[norm], self.spare[output] = output, spare
        return output

    def swish(self, x: str, name: str = "") -> str:
        """Swish, x * sigmoid(x)."""
        return self.node("Mul", [x, self.node("Sigmoid", [x])], name)

    def upsample(self, x: str) -> str:
        """Repeat rows and columns."""
        if "doubled" not in self.layers:
            self.layers["doubled"] = self.constant("doubled", np.array([1, 1, 2, 2]))
        return self.node(
            "Resize", [x, "", "doubled"], mode="nearest", nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )  # fmt: skip

    def serialise(self, channels: int) -> bytes:
        """Close the graph between `image` and `probability`.

        Raises
        ------
        WeightsError
            Weights are left over.
        """
        if self._weights:
            odd = min(self._weights)
            raise WeightsError(f"The weights are of another network ('{odd}' is left over).")
        from onnx import TensorProto

        image, result = (
            self._helper.make_tensor_value_info(
                name, TensorProto.FLOAT, ["slices", "height", "width", size]
            )
            for name, size in (("image", channels), ("probability", 1))
        )
        graph = self._helper.make_graph(
            self._nodes, "skullstrip", [image], [result], self._constants
        )
        opset = self._helper.make_opsetid("", OPSET)
        model = self._helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        return bytes(model.SerializeToString())
