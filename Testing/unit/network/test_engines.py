"""Which engine is chosen, what is said where there is none, and a GPU that runs out of memory.

The engines are stand-ins: CI has no GPU.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from skullstrip import extract_brain
from skullstrip.errors import EngineError, WeightsError
from skullstrip.network import engines, onnxruntime_engine
from skullstrip.network.engines import FallbackEngine, available_threads, create_engine
from skullstrip.network.manifest import Manifest, load_manifest
from Testing.phantoms import make_head
from Testing.stand_ins import ThresholdEngine

FLOAT32, INT8 = b"a network", b"the same in whole numbers"
MANIFEST = Manifest("a network", "weights.onnx", hashlib.sha256(FLOAT32).hexdigest())
WITH_INT8 = replace(MANIFEST, int8_file="int8.onnx", int8_sha256=hashlib.sha256(INT8).hexdigest())


@pytest.mark.parametrize(
    ("name", "gpu", "manifest", "expected"),
    [
        ("onnxruntime", False, WITH_INT8, ("onnxruntime", INT8)),
        ("onnxruntime-float32", False, WITH_INT8, ("onnxruntime-float32", FLOAT32)),
        ("onnxruntime", True, WITH_INT8, ("onnxruntime-float32", FLOAT32)),
        ("onnxruntime", False, MANIFEST, ("onnxruntime-float32", FLOAT32)),
    ],
)
def test_int8_is_run_by_a_cpu_where_the_weights_have_it_and_nobody_asked_for_float32(
    tmp_path, monkeypatch, name, gpu, manifest, expected
):
    (tmp_path / "weights.onnx").write_bytes(FLOAT32)
    (tmp_path / "int8.onnx").write_bytes(INT8)
    stand_in = lambda content, _device, _threads, name: SimpleNamespace(  # noqa: E731
        name=name, device="cpu", content=content
    )
    monkeypatch.setattr(onnxruntime_engine, "OnnxRuntimeEngine", stand_in)
    monkeypatch.setattr(onnxruntime_engine, "would_take_gpu", lambda _: gpu)
    engine = create_engine(name, manifest, tmp_path / "weights.onnx")
    assert (engine.name, engine.content) == expected
    (tmp_path / "int8.onnx").write_bytes(b"altered")
    if expected[1] == INT8:
        with pytest.raises(WeightsError, match=r"int8\.onnx.*install them again"):
            create_engine(name, manifest, tmp_path / "weights.onnx")


@pytest.fixture
def installed(monkeypatch):
    """Fill with the names of the packages that are there."""
    there = []
    find = SimpleNamespace(find_spec=lambda name: name if name in there else None)
    monkeypatch.setattr(engines, "importlib", SimpleNamespace(util=find))
    return there


@pytest.mark.parametrize(
    ("name", "there", "wanted"),
    [
        ("torch", ["torch"], "keras onnx"),
        ("onnxruntime", [], "onnxruntime"),
        ("auto", [], "onnxruntime"),
    ],
)
def test_what_an_engine_lacks_is_named(installed, name, there, wanted):
    installed += there
    with pytest.raises(EngineError, match=f"pip install {wanted}"):
        create_engine(name, MANIFEST, Path())


def test_auto_takes_the_first_engine_that_works(installed, monkeypatch):
    installed += ["onnxruntime", "onnx", "keras", "tensorflow", "jax"]
    tried = []

    def load(name, manifest, weights, device, threads):
        tried.append((name, device, threads))
        if name == "onnxruntime":
            raise EngineError("It cannot start.")
        return SimpleNamespace(name=name, device="cpu")

    monkeypatch.setattr(engines, "_load", load)
    assert create_engine("auto", MANIFEST, Path(), threads=100_000).name == "tensorflow"
    most = available_threads()
    assert tried == [("onnxruntime", "auto", most), ("tensorflow", "auto", most)]


def test_where_every_engine_fails_auto_tells_of_the_best(installed, monkeypatch):
    installed += ["onnxruntime", "onnx", "keras", "jax"]

    def load(name, *_):
        raise EngineError(f"{name} cannot start.")

    monkeypatch.setattr(engines, "_load", load)
    with pytest.raises(EngineError, match=r"^onnxruntime cannot start\.$"):
        create_engine("auto", MANIFEST, Path())


class SmallGpu:
    """Stand-in GPU whose memory holds `capacity` slices."""

    name = "stand-in"
    device = "gpu"

    def __init__(self, capacity):
        self.capacity = capacity
        self.sizes = []

    def predict(self, batch):
        self.sizes.append(len(batch))
        if len(batch) > self.capacity:
            raise RuntimeError("CUDA failure 2: out of memory")
        return ThresholdEngine().predict(batch)


@pytest.fixture
def batch():
    return np.random.default_rng(0).random((11, 32, 64, 3), dtype=np.float32)


def no_cpu():
    raise AssertionError("the CPU engine was loaded")


def test_a_gpu_short_of_memory_gets_smaller_batches_and_keeps_them(batch):
    gpu = SmallGpu(capacity=3)
    engine = FallbackEngine(gpu, no_cpu)
    for _ in range(2):
        np.testing.assert_array_equal(engine.predict(batch), ThresholdEngine().predict(batch))
    assert gpu.sizes == [11, 5, *[2, 2, 2, 2, 2, 1] * 2]
    assert engine.device == "gpu"
    assert engine.note == ""


def test_a_gpu_with_no_room_for_one_slice_is_left_for_the_cpu_with_a_note(batch):
    loaded = []
    engine = FallbackEngine(SmallGpu(capacity=0), lambda: loaded.append(1) or ThresholdEngine())
    for _ in range(2):
        np.testing.assert_array_equal(engine.predict(batch), ThresholdEngine().predict(batch))
    assert engine.device == "cpu"
    assert "out of memory" in engine.note
    assert loaded == [1]


def test_what_the_cpu_raises_is_not_swallowed(batch):
    engine = FallbackEngine(SmallGpu(0), lambda: SmallGpu(0))
    with pytest.raises(RuntimeError, match="out of memory"):
        engine.predict(batch)


def test_the_note_reaches_whoever_asked_for_the_brain(stand_in_weights):
    head = make_head()
    engine = FallbackEngine(SmallGpu(capacity=0), ThresholdEngine)
    found = extract_brain(head.array, head.affine, engine=engine, weights=stand_in_weights)
    assert found.device == "cpu"
    assert [check.code for check in found.checks] == ["gpu_gave_up"]


def load_where_the_gpu_is_full(name, manifest, weights, device, threads):
    """Stand-in for the loading of a runtime whose GPU other programs fill."""
    if device != "cpu":
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 MiB.")
    return ThresholdEngine()


@pytest.mark.parametrize("device", ["auto", "gpu"])
def test_a_gpu_with_no_room_for_the_network_is_left_for_the_cpu_with_a_note(
    device, batch, stand_in_weights, monkeypatch
):
    monkeypatch.setattr(engines, "_load", load_where_the_gpu_is_full)
    engine = engines.create_engine("torch", *load_manifest(stand_in_weights), device)
    np.testing.assert_array_equal(engine.predict(batch), ThresholdEngine().predict(batch))
    assert engine.device == "cpu"
    assert "out of memory" in engine.note
