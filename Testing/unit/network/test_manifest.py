"""The manifest: what is written is read again, what is wrong is refused in one sentence."""

import dataclasses
import json
import shutil

import pytest

from skullstrip.errors import WeightsError
from skullstrip.network.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    MAX_WEIGHTS_BYTES,
    Architecture,
    Manifest,
    Preprocessing,
    load_manifest,
    read_weights_file,
)

TEXTBOOK = Architecture(
    skip_layers=tuple(f"block{number}a_expand_activation" for number in (2, 3, 4, 6)),
    top_layer="top_activation",
    decoder_widths=(256, 128, 64, 32, 16),
    activation="swish",
)


@pytest.mark.parametrize("architecture", [Architecture(), TEXTBOOK])
def test_a_manifest_is_read_as_it_was_written(architecture):
    manifest = Manifest(
        name="a",
        weights_file="w.onnx",
        weights_sha256="0" * 64,
        architecture=architecture,
        preprocessing=Preprocessing(spacing_mm=1.25),
        training={"seed": 1},
    )
    older = json.loads(manifest.to_json()) | {"threshold": 0.5}
    older["preprocessing"] |= {"neighbour_offset": 1, "orientation": "RAS"}
    for text in (manifest.to_json(), json.dumps(older)):
        assert Manifest.from_json(text) == manifest


def changed(**changes):
    """A manifest's JSON with keys replaced, or removed where the value is None."""
    content = dataclasses.asdict(Manifest(name="a", weights_file="w", weights_sha256="0" * 64))
    content.update(changes)
    return json.dumps({key: value for key, value in content.items() if value is not None})


@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        changed(architecture=None),
        changed(architecture={"encoder": "ResNet50"}),
        changed(preprocessing={"spacing": 1.0}),
        changed(surprise=1),
        changed(format_version=99),
        "[" * 100_000,  # too deep for the parser
        "7",
    ],
)
def test_a_manifest_that_is_not_one_is_refused(text):
    with pytest.raises(WeightsError, match=r"\.$"):
        Manifest.from_json(text)


@pytest.fixture
def folder(stand_in_weights, tmp_path):
    """A manifest whose weights file is not there."""
    shutil.copy(stand_in_weights / MANIFEST_NAME, tmp_path)
    return tmp_path


def test_altered_or_missing_weights_are_refused(folder):
    with pytest.raises(WeightsError, match="cannot be read"):
        read_weights_file(*load_manifest(folder))
    (folder / "weights.onnx").write_bytes(b"stand-in weights, altered")
    with pytest.raises(WeightsError, match=r"SHA-256 .* not .*install them again"):
        read_weights_file(*load_manifest(folder))


@pytest.mark.parametrize("changes", [{"decoder_widths": (8, 8)}, {"skip_layers": ("a",)}])
def test_an_impossible_architecture_is_refused(changes):
    with pytest.raises(WeightsError, match="it needs 4"):
        Architecture(**changes)


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("", "weights_file", "/dev/zero"),
        ("", "weights_file", 7),
        ("", "int8_file", "../weights_int8.onnx"),
        ("", "weights_sha256", "0"),
        ("", "threshold", 0.4),
        ("", "name", "two\nlines"),
        ("architecture", "decoder_widths", [10**9] * 4),
        ("architecture", "skip_layers", ["../a"] * 4),
        ("architecture", "top_layer", []),
        ("preprocessing", "spacing_mm", 1e-9),
        ("preprocessing", "spacing_mm", True),
        ("preprocessing", "neighbour_offset", 2),
    ],
)
def test_a_value_beyond_sense_is_refused_by_name(part, field, value):
    content = json.loads(changed())
    Manifest.from_json(json.dumps(content))
    (content[part] if part else content)[field] = value
    with pytest.raises(WeightsError, match=rf"manifest's {field} is .*\.$"):
        Manifest.from_json(json.dumps(content))


def test_a_device_or_a_giant_is_not_read(folder):
    with pytest.raises(WeightsError, match="No manifest"):
        load_manifest("/dev/zero")
    for name, most in (("weights.onnx", MAX_WEIGHTS_BYTES), (MANIFEST_NAME, MAX_MANIFEST_BYTES)):
        with (folder / name).open("wb") as stream:
            stream.truncate(most + 1)  # sparse: takes no disk
        with pytest.raises(WeightsError, match="more than the"):
            read_weights_file(*load_manifest(folder))
