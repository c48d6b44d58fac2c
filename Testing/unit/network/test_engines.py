"""Which engine is chosen, and what is said where there is none. The engines are stand-ins."""

import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from skullstrip.errors import EngineError, WeightsError
from skullstrip.network import engines, onnxruntime_engine
from skullstrip.network.engines import available_threads, create_engine
from skullstrip.network.manifest import Manifest

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
        ("torch", ["keras"], "onnx torch"),
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


def test_auto_tells_of_every_engine_that_failed(installed, monkeypatch):
    installed += ["onnxruntime", "onnx", "keras", "jax"]

    def load(name, *_):
        raise EngineError(f"{name} cannot start.")

    monkeypatch.setattr(engines, "_load", load)
    with pytest.raises(EngineError, match=r"onnxruntime cannot start. jax cannot start."):
        create_engine("auto", MANIFEST, Path())
