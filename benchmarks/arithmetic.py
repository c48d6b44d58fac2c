"""The share of the machine's matrix-product rate that inference reaches.

    python -m benchmarks.arithmetic --threads 2

The network's multiply-adds are counted from its ONNX graph. NumPy's float32 matrix product and the
network take turns in one process; rates are formed by wall time and by CPU time.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from statistics import median

SLICES = (8, 224, 160)  # a typical batch of windows: slices, rows, columns
MATRIX = 2048
ROUNDS = 9


def main() -> int:
    """Measure and print the rates."""
    parser = argparse.ArgumentParser("python -m benchmarks.arithmetic", description=main.__doc__)
    parser.add_argument("--threads", type=int, default=2)
    threads = parser.parse_args().threads
    os.environ["OPENBLAS_NUM_THREADS"] = str(threads)  # read when NumPy is imported

    import numpy as np

    from skullstrip.network.engines import create_engine
    from skullstrip.network.manifest import load_manifest

    manifest, weights = load_manifest()
    engine = create_engine("onnxruntime", manifest, weights, "cpu", threads)
    batch = np.random.default_rng(0).random((*SLICES, 3), dtype=np.float32)
    matrix = np.random.default_rng(0).random((MATRIX, MATRIX), dtype=np.float32)
    work = {
        "matrix product": (lambda: matrix @ matrix, 2 * MATRIX**3),
        "network": (lambda: engine.predict(batch), 2 * multiply_adds(SLICES)),
    }
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for number in range(ROUNDS + 1):
        for name, (run, flop) in work.items():
            seconds = measure(run)
            if number:  # the first warms up
                rates[name].append((flop / seconds[0] / 1e9, flop / seconds[1] / 1e9))
    pixels = SLICES[0] * SLICES[1] * SLICES[2]
    print(f"{multiply_adds(SLICES) / pixels / 1e3:.1f} GMAC a megapixel, {threads} threads")
    for kind, name in enumerate(("wall", "CPU")):
        medians = {tool: median(rate[kind] for rate in found) for tool, found in rates.items()}
        pairs = zip(rates["network"], rates["matrix product"], strict=True)
        share = median(network[kind] / product[kind] for network, product in pairs)
        text = ", ".join(f"{tool} {rate:.0f} GFLOP/s" for tool, rate in medians.items())
        print(f"by {name} time: {text}, share {share:.2f}")
    return 0


def multiply_adds(shape: tuple[int, int, int]) -> int:
    """Multiply-adds of all convolutions for a batch of (slices, rows, columns)."""
    import onnx

    from skullstrip.network.manifest import load_manifest

    _, weights = load_manifest()
    model = onnx.load(weights)
    for dimension, size in zip(
        model.graph.input[0].type.tensor_type.shape.dim, shape, strict=False
    ):
        dimension.dim_value = size
    graph = onnx.shape_inference.infer_shapes(model).graph
    sizes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in graph.value_info
    }
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            outputs, inputs, rows, columns = sizes[node.input[1]]  # the kernel's
            slices, _, height, width = sizes[node.output[0]]
            total += slices * height * width * outputs * inputs * rows * columns
    return total


def measure(run: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    sys.exit(main())
