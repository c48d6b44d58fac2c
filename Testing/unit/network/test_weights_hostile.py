"""Weights are data: whatever a weights file holds, nothing in it is run and no memory is wasted."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skullstrip.errors import WeightsError
from skullstrip.network import weights
from skullstrip.network.engines import create_engine
from skullstrip.network.manifest import MANIFEST_NAME, Architecture, Manifest, load_manifest
from skullstrip.network.weights import read_weights, write_weights

BOMB_BYTES = 2**28


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def npy_header(shape: tuple[int, ...], descr: str = "<f2") -> bytes:
    stream = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[arg-type]
    return stream.getvalue()


def archive(path: Path, content: bytes, name: str = "a.npy", **options: int) -> Path:
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr(name, content)
    return path


def bomb(path: Path) -> Path:
    """260 kB that inflate to 256 MB."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("a.npy", "w", force_zip64=True) as stream,
    ):
        stream.write(npy_header((BOMB_BYTES // 2,)))
        for _ in range(BOMB_BYTES // 2**24):
            stream.write(bytes(2**24))
    return path


def test_a_pickle_in_a_weights_file_is_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    payload = pickle.dumps(Trap(trap))
    assert pickle.loads(payload) is None
    assert trap.exists(), "the trap works"
    trap.unlink()
    header = npy_header((1,), "|O")
    for content, name in [(header + payload, "a.npy"), (payload, "a.npy"), (payload, "a.pkl")]:
        with pytest.raises(WeightsError):
            read_weights(archive(tmp_path / "w.npz", content, name))
    (tmp_path / "w.npz").write_bytes(payload)
    with pytest.raises(WeightsError):
        read_weights(tmp_path / "w.npz")
    assert not trap.exists()


def test_the_hash_is_held_against_the_manifest_before_anything_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        pytest.fail("the file was parsed")

    write_weights({"a": np.ones(2)}, tmp_path / "w.npz")
    manifest = Manifest(name="a", weights_file="w.npz", weights_sha256="0" * 64)
    (tmp_path / MANIFEST_NAME).write_text(manifest.to_json())
    monkeypatch.setattr(zipfile, "ZipFile", never)
    monkeypatch.setattr(np, "load", never)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_manifest(tmp_path)


def test_an_archive_that_unpacks_to_gigabytes_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "MAX_WEIGHTS_BYTES", BOMB_BYTES // 4)
    path = bomb(tmp_path / "w.npz")
    assert path.stat().st_size < BOMB_BYTES / 500
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightsError, match="unpacks to more than"):
        read_weights(path)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 30 * 1024  # kB


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy_header((10**14,)), "no plain array"),  # asks for 200 TB
        (npy_header((4,)) + bytes(7), "no plain array"),
        (npy_header((4,)) + bytes(9), "no plain array"),
        (npy_header((4,), "<i8") + bytes(32), "no plain array"),
        (npy_header((4,), "<c8") + bytes(32), "no plain array"),
        (npy_header((-4,)) + bytes(8), "cannot be read"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "cannot be read"),
        (npy_header((2,)) + np.array([1, np.nan], "<f2").tobytes(), "holds NaN"),
        (npy_header((2,)) + np.array([1, np.inf], "<f2").tobytes(), "holds NaN or infinity"),
    ],
)
def test_an_array_that_is_not_what_it_says_is_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    with pytest.raises(WeightsError, match=words):
        read_weights(archive(tmp_path / "w.npz", content))


@pytest.mark.parametrize("engine", ["onnxruntime", "tensorflow"])
@pytest.mark.parametrize("fault", ["inputs", "rank", "missing", "layer"])
@pytest.mark.slow
def test_custom_weights_that_do_not_fit_are_refused_by_each_engine(
    tmp_path: Path, engine: str, fault: str
) -> None:
    _, source = load_manifest()
    arrays = read_weights(source)
    name = "decoder1_conv_a/kernel"
    kernel = arrays.pop(name)
    if fault != "missing":
        arrays[name] = {"inputs": kernel[:, :, :-1], "rank": kernel[0]}.get(fault, kernel)
    layer = {"top_layer": "block9z_add"} if fault == "layer" else {}
    write_weights(arrays, tmp_path / "w.npz")
    custom = Manifest(
        name="custom",
        weights_file="w.npz",
        weights_sha256=hashlib.sha256((tmp_path / "w.npz").read_bytes()).hexdigest(),
        architecture=Architecture(**layer),
    )
    (tmp_path / MANIFEST_NAME).write_text(custom.to_json())
    with pytest.raises(WeightsError):
        create_engine(engine, *load_manifest(tmp_path), "cpu", 1)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_archive_is_read_as_it_was_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("w")
    write_weights({"a/kernel": np.arange(6.0).reshape(2, 3), "b": np.ones(3)}, folder / "w.npz")
    content = bytearray((folder / "w.npz").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "w.npz").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = weights.read_weights(folder / "w.npz")
    except WeightsError as error:
        assert str(error).endswith(".")  # noqa: PT017  (it may also succeed)
    else:
        assert all(array.dtype == np.float32 for array in found.values())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
FIELDS = [
    *[(part, field) for part in ("architecture", "preprocessing") for field in ("", *(
        ("encoder", "channels", "skip_layers", "top_layer", "decoder_widths")
        if part == "architecture"
        else ("spacing_mm", "orientation", "slice_axis", "low_percentile", "head_margin_mm")
    ))],
    *[("", field) for field in ("name", "weights_file", "weights_sha256", "threshold", "x")],
]  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(FIELDS), JSON)
def test_any_json_in_a_manifest_is_refused_or_makes_sense(
    field: tuple[str, str], value: object
) -> None:
    content = json.loads(Manifest(name="a", weights_file="w", weights_sha256="0" * 64).to_json())
    part, name = field
    if part and name:
        content[part][name] = value
    else:
        content[part or name] = value
    try:
        manifest = Manifest.from_json(json.dumps(content))
    except WeightsError as error:
        assert str(error).endswith(".")  # noqa: PT017  (it may also succeed)
    else:
        assert 0 < manifest.threshold < 1
        assert manifest.weights_file == Path(manifest.weights_file).name
        assert max(manifest.architecture.decoder_widths) <= 1024
