"""The weights file: an ONNX model that ONNX Runtime runs, and Keras takes its variables out of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..errors import WeightsError

if TYPE_CHECKING:
    import keras


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
        reason = " ".join(str(error).split())
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
