"""Which engine is chosen, and what is said where there is none. The engines are stand-ins."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from skullstrip.errors import EngineError
from skullstrip.network import engines
from skullstrip.network.engines import available_threads, create_engine
from skullstrip.network.manifest import Manifest

MANIFEST = Manifest("a network", "weights.onnx", "0" * 64)


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
