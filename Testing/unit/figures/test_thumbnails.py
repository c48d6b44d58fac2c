from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skullstrip.figures import thumbnails
from skullstrip.figures.qc import qc_picture
from skullstrip.figures.thumbnails import FOLDER, HEIGHT, make_thumbnail, thumbnail
from Testing.phantoms import make_head

LARGEST_BYTES = 6000
ORANGE = 80  # more red than blue, of 255


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    head = make_head("RAS", (4.0, 4.0, 4.0))
    path = tmp_path_factory.mktemp("qc") / "one.png"
    qc_picture(head.array, head.affine, head.brain_mask, "A long title " * 12).save(path)
    return path


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With an outline in the colours of confidence, some of them nearly grey."""
    head = make_head("RAS", (4.0, 4.0, 4.0))
    confidence = np.linspace(0, 1, head.array.size, dtype=np.float32).reshape(head.array.shape)
    path = tmp_path_factory.mktemp("qc") / "coloured.png"
    qc_picture(head.array, head.affine, head.brain_mask, "A title", confidence).save(path)
    return path


@pytest.fixture
def out(tmp_path: Path, picture: Path) -> Path:
    (tmp_path / "qc").mkdir()
    shutil.copy(picture, tmp_path / "qc" / "one.png")
    return tmp_path


def opened(content: bytes | None) -> np.ndarray:
    assert content is not None
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


@pytest.mark.parametrize("kind", ["picture", "coloured"])
def test_it_shows_one_cut_of_each_plane_with_its_outline(
    kind: str, request: pytest.FixtureRequest
) -> None:
    content = make_thumbnail(request.getfixturevalue(kind))
    pixels = opened(content)
    height, width, _ = pixels.shape
    assert height == HEIGHT
    assert 2 * HEIGHT < width < 4 * HEIGHT  # three cuts, about square, nothing between them
    assert len(content) < LARGEST_BYTES
    is_outline = pixels[..., 0] - pixels[..., 2] > ORANGE
    thirds = np.array_split(is_outline, 3, axis=1)
    assert all(20 < third.sum() < 0.2 * third.size for third in thirds)


def test_a_picture_that_is_not_ours_is_shown_whole(tmp_path: Path) -> None:
    path = tmp_path / "other.png"
    Image.new("RGB", (300, 100), (200, 200, 200)).save(path)
    pixels = opened(make_thumbnail(path))
    assert pixels.shape == (HEIGHT, 3 * HEIGHT, 3)
    assert abs(pixels[40, 100] - 200).max() < 12


def test_it_is_made_once(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = thumbnail(out, "qc/one.png")
    assert len(list((out / FOLDER).iterdir())) == 1
    monkeypatch.setattr(thumbnails, "make_thumbnail", pytest.fail)
    assert thumbnail(out, "qc/one.png") == first


def test_it_is_made_again_for_another_picture(out: Path) -> None:
    first = thumbnail(out, "qc/one.png")
    Image.new("RGB", (300, 100)).save(out / "qc" / "one.png")
    assert thumbnail(out, "qc/one.png") != first
    assert len(list((out / FOLDER).iterdir())) == 1


@pytest.mark.parametrize("content", [None, b"", b"nothing", b"\x89PNG\r\n\x1a\n cut off"])
def test_without_a_picture_there_is_none(out: Path, content: bytes | None) -> None:
    if content is not None:
        (out / "qc" / "bad.png").write_bytes(content)
    assert thumbnail(out, "qc/bad.png") is None


def test_a_picture_that_is_cut_short_has_none(out: Path) -> None:
    whole = (out / "qc" / "one.png").read_bytes()
    (out / "qc" / "one.png").write_bytes(whole[: len(whole) // 2])
    assert thumbnail(out, "qc/one.png") is None


@pytest.mark.skipif(os.name == "nt", reason="a file in the place of the folder is POSIX's way")
def test_where_nothing_can_be_kept_it_is_given_all_the_same(out: Path) -> None:
    (out / ".skullstrip").write_text("in the way")
    assert thumbnail(out, "qc/one.png")
