"""Put a network into int8: ONNX Runtime's own static quantisation, and a gate that it must pass.

Weights have a scale a channel and 7 bits: with 8, processors without VNNI instructions would
overflow, which ONNX Runtime does not notice. Activations have 8 bits and one scale, whose range is
what the network shows on training scans and painted label maps of every contrast.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skullstrip.errors import InputError
from skullstrip.network.brain_region import find_brain_region
from skullstrip.network.engine import ENGINE_NAMES
from skullstrip.network.engines import create_engine
from skullstrip.network.manifest import (
    MANIFEST_NAME,
    Manifest,
    load_manifest,
    read_weights_file,
)
from skullstrip.network.onnxruntime_engine import SIZE_MULTIPLE
from skullstrip.network.predict import VIEWS, predict_head
from skullstrip.options import Options
from skullstrip.prepare.preprocess import prepare

from ..data.pair import Pair
from ..evaluation.evaluate import by_pipeline, evaluate, read_scans
from .any_size import for_any_even_size
from .scans import add_scan_arguments, chosen_scans, read_spoilt, stress_of

INT8_NAME = "weights_int8.onnx"
SCANS, MAPS, SLICES_A_LOOK = 14, 12, 2  # two looks at each
PERCENTILE = 99.99  # of an activation; the extremes would take most of the steps of all others
FIRST_IN_INT8 = 5  # convolutions before it, the encoder's first block, made most of the loss
MAY_LOSE, MAY_LOSE_ON_ONE_SCAN = 0.0003, 0.002  # Dice


class Slices(list[np.ndarray]):
    """Slices for ONNX Runtime to calibrate on, one at a time, because their sizes differ."""

    def set_range(self, start_index: int, end_index: int) -> None:
        """Give the slices of a range next."""
        self._inputs = ({"image": found[None]} for found in self[start_index:end_index])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next slice as the network's input, None behind the last."""
        return next(self._inputs, None)


def seen_slices(pairs: Sequence[Pair], manifest: Manifest, weights: Path) -> list[np.ndarray]:
    """Return some of the slices that the network sees of each scan, (H, W, 3) float32.

    Of a scan as it came and spoilt once, of a label map in two looks.
    """
    engine = create_engine(ENGINE_NAMES[1], manifest, weights, "cpu")
    settings = manifest.preprocessing
    chosen: list[np.ndarray] = []
    for pair in pairs:
        first, *_, last = stress_of(pair)
        for what, strength in (first, last):
            seen: list[np.ndarray] = []

            def predict(batch: np.ndarray, seen: list[np.ndarray] = seen) -> np.ndarray:
                seen.extend(batch)
                return engine.predict(batch)

            head = prepare(read_spoilt(pair, what, strength)[0], settings.spacing_mm).head
            region = find_brain_region(head, settings.spacing_mm, predict)
            predict_head(head, predict, VIEWS["auto"], region=region)
            rng = np.random.default_rng(len(chosen))
            places = rng.choice(len(seen), SLICES_A_LOOK, replace=False)
            chosen += [seen[place] for place in places]
            print(f"{pair.name}  {what} {strength:g}: {len(seen)} slices", flush=True)
    return chosen


def quantise(content: bytes, slices: Sequence[np.ndarray]) -> bytes:
    """Return a network in int8, calibrated on slices (H, W, 3) float32.

    The encoder's first block and the head stay in float32.

    Parameters
    ----------
    content : bytes
        Of the weights file.
    """
    import onnx
    from onnxruntime import quantization

    with tempfile.TemporaryDirectory() as folder:
        folded, found = Path(folder) / "folded.onnx", Path(folder) / INT8_NAME
        model = fold(content, folded)
        for_any_even_size(model)
        for number, node in enumerate(model.graph.node):
            node.name = f"{number}_{node.op_type}"
        onnx.save(model, folded)
        names = [node.name for node in model.graph.node]
        convolutions = [at for at, name in enumerate(names) if name.endswith("_Conv")]
        quantization.quantize_static(
            folded,
            found,
            Slices(slices),
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=[*names[: convolutions[FIRST_IN_INT8]], *names[convolutions[-1] :]],
            calibrate_method=quantization.CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": PERCENTILE, "CalibStridedMinMax": 1},
        )
        model = onnx.load(found)
        onnx.helper.set_model_props(model, {SIZE_MULTIPLE: "2"})
        return bytes(model.SerializeToString(deterministic=True))


def fold(content: bytes, path: Path) -> Any:
    """Let ONNX Runtime fold a network's constants, and return it as an ONNX model."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    model = onnx.load(path)
    # ONNX Runtime writes down every set of operations that it knows; older ones know fewer.
    for each in [each for each in model.opset_import if each.domain]:
        model.opset_import.remove(each)
    return model


def judge(pairs: Sequence[Pair], folder: Path) -> str:
    """Return what int8 changes, in words; raise InputError where it loses too much."""
    options = (Options(engine=engine, device="cpu", weights=folder) for engine in ENGINE_NAMES[:2])
    scores = [evaluate(read_scans(pairs), by_pipeline(each)).scores for each in options]
    changes = np.array([whole["dice"] - real["dice"] for whole, real in zip(*scores, strict=True)])
    found = (
        f"in int8 the Dice of {len(changes)} scans changes by {changes.mean():+.5f} in the mean, "
        f"{changes.min():+.5f} on the worst"
    )
    if changes.mean() < -MAY_LOSE or changes.min() < -MAY_LOSE_ON_ONE_SCAN:
        raise InputError(f"{found}: too much to release.")
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_scan_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write weights in int8 beside the weights, and into their manifest."""
    manifest, weights = load_manifest(arguments.weights)
    seen, val, _ = chosen_scans(arguments, SCANS, MAPS)
    content = read_weights_file(manifest, weights)
    whole = quantise(content, seen_slices(seen, manifest, weights))
    digest = hashlib.sha256(whole).hexdigest()
    manifest = dataclasses.replace(manifest, int8_file=INT8_NAME, int8_sha256=digest)
    with tempfile.TemporaryDirectory() as staging:
        folder = Path(shutil.copytree(weights.parent, Path(staging) / "weights"))
        (folder / INT8_NAME).write_bytes(whole)
        (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
        print(judge(val, folder))
        for name in (INT8_NAME, MANIFEST_NAME):
            shutil.copyfile(folder / name, weights.parent / name)
