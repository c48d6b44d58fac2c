"""Rework a folded network before it is quantised: windows of any even size, in fewer products.

Neither changes a sum. The network halves its input five times, and wants multiples of 32: here half
of an odd size is rounded up, and what the decoder doubles is cut to what it is joined with. The
decoder doubles a tensor, joins it with a finer one and convolves both, 3 x 3. Four pixels of the
doubled one are equal; so 2 x 2 sums before doubling, with four times the kernels, give the same for
4/9 of the products, and what the finer one gives is added.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Whether rows i - 1 and i meet each row of the kernel in the doubled rows 2 i - 1 and 2 i.
MEET = np.array([[[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1]]], np.float32)
# Channels are last as in ONNX Runtime's 8 bits, so that moving them there and back costs nothing.
STAGE = """
    {at}_sums = Conv <pads = [1, 1, 1, 1]> ({coarse}, {at}_four_kernels)
    {at}_last = Transpose <perm = [0, 2, 3, 1]> ({at}_sums)
    {at}_split = Reshape ({at}_last, {at}_by_row)
    {at}_rows = Transpose <perm = [0, 1, 3, 2, 4]> ({at}_split)
    {at}_doubled = Reshape ({at}_rows, {at}_size)
    {at}_cut = Slice ({at}_doubled, start, {at}_end)
    {at}_first = Transpose <perm = [0, 3, 1, 2]> ({at}_cut)
    {at}_fine = Conv <pads = [1, 1, 1, 1]> ({fine}, {at}_fine_kernel, {bias})
    {sum} = Add ({at}_first, {at}_fine)
"""
SIZES = """
    shape = Shape (image)
    shapes = Tile (shape, repeats)
    raised = Add (shapes, raise)
    halves = Div (raised, divide)
    multiplied = Mul (halves, multiply)
    sizes = Add (multiplied, add)
    {outputs} = Split <axis = 0> (sizes)
"""


def for_any_even_size(model: Any) -> None:
    """Rework an ONNX model of `onnx_graph.build_onnx`, which ONNX Runtime has folded, in place."""
    from onnx import numpy_helper, shape_inference

    graph = model.graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    inferred = shape_inference.infer_shapes(model).graph.value_info
    channels = {each.name: each.type.tensor_type.shape.dim[1].dim_value for each in inferred}
    users = {name: node for node in graph.node for name in node.input}
    doublings = [
        node
        for node in graph.node
        if node.op_type == "Resize" and users[node.output[0]].op_type == "Concat"
    ]
    instead: dict[str, list[Any]] = {}  # of the node that gives that output
    sizes: list[list[list[int]]] = []  # what is raised, divided, multiplied, added to
    outputs: list[str] = []
    for level, doubling in zip(range(len(doublings), 0, -1), doublings, strict=True):
        join = users[doubling.output[0]]
        convolution = users[join.output[0]]
        _, kernel, bias = convolution.input
        at, coarse, width = f"stage{level}", doubling.input[0], len(constants[kernel])
        of_coarse, of_fine = np.split(constants[kernel], [channels[coarse]], axis=1)
        sums = np.einsum("arp,bsq,ocpq->abocrs", MEET, MEET, of_coarse)
        constants |= {
            f"{at}_four_kernels": sums.reshape(4 * width, -1, 2, 2),
            f"{at}_fine_kernel": of_fine,
            f"{at}_by_row": np.array([0, 0, 0, 2, 2 * width]),
        }
        for step, times, more in ((2 ** (level + 1), 2, 2), (2**level, 1, 1)):
            raised, added = [0, step - 1, step - 1, 0], [0, more, more, width]
            sizes.append([raised, [1, step, step, 1], [1, times, times, 0], added])
        outputs += [f"{at}_size", f"{at}_end"]
        words = {"at": at, "coarse": coarse, "fine": join.input[1], "bias": bias}
        stage = _nodes(STAGE.format(**words, sum=convolution.output[0]))
        instead |= {doubling.output[0]: [], join.output[0]: [], convolution.output[0]: stage}
    constants["start"] = np.array([0, 1, 1, 0])
    constants["repeats"] = np.array([len(sizes)])
    steps = zip(("raise", "divide", "multiply", "add"), np.swapaxes(sizes, 0, 1), strict=True)
    constants |= {name: values.ravel() for name, values in steps}
    nodes = _nodes(SIZES.format(outputs=", ".join(outputs)))
    for node in graph.node:
        attributes = {each.name: each.ints for each in node.attribute}
        # Where a convolution halves, one more is padded at the end: nothing for even sizes.
        if max(attributes.get("strides", [1])) == 2:
            attributes["pads"][2:] = [pad + 1 for pad in attributes["pads"][2:]]
        nodes += instead.get(node.output[0], [node])
    used = {name for node in nodes for name in node.input}
    for field in (graph.node, graph.initializer, graph.value_info):
        del field[:]
    graph.node.extend(nodes)
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(array), name)
        for name, array in constants.items()
        if name in used
    )


def _nodes(text: str) -> list[Any]:
    """Read nodes in ONNX's own notation."""
    from onnx import parser

    return list(parser.parse_graph(f"part () => () {{{text}}}").node)
