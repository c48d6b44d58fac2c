"""A GPU that runs out of memory, with a stand-in engine for the GPU: CI has none."""

import numpy as np
import pytest

from skullstrip import extract_brain
from skullstrip.network import engines
from skullstrip.network.engines import FallbackEngine
from skullstrip.network.manifest import load_manifest
from Testing.phantoms import make_head
from Testing.stand_ins import ThresholdEngine


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


def test_a_runtime_that_fails_on_the_cpu_too_says_so(stand_in_weights, monkeypatch):
    def fail(*_):
        raise RuntimeError("illegal instruction")

    monkeypatch.setattr(engines, "_load", fail)
    for device in ("auto", "cpu"):
        with pytest.raises(RuntimeError, match="illegal instruction"):
            engines.create_engine("torch", *load_manifest(stand_in_weights), device)
