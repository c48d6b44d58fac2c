"""The QC picture shows the right slices the right way round."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from skullstrip.figures.qc import (
    BACKGROUND,
    CUTS,
    MARGIN_MM,
    OUTLINE,
    PIXEL_MM,
    RAMP,
    THUMBNAIL,
    THUMBNAIL_HEIGHT,
    qc_picture,
    read_thumbnail,
    save_qc,
)
from Testing.phantoms import make_head

SIZE_TOLERANCE_PIXELS = 6
LARGEST_THUMBNAIL = 6000  # bytes
ORANGE = 80  # more red than blue, of 255


def picture_of(head, array=None, mask=None, confidence=None):
    mask = head.brain_mask if mask is None else mask
    return qc_picture(head.array if array is None else array, head.affine, mask, "x", confidence)


def outline_pixels(picture):
    return colours_are(np.asarray(picture), OUTLINE)


def colours_are(pixels, red_and_blue):
    return (pixels[..., ::2] == red_and_blue).all(axis=-1)


def tiles(picture):
    """Grey values within the outline's box in each cut: three rows of six."""
    labels, count = ndimage.label(outline_pixels(picture), structure=np.ones((3, 3)))
    assert count == 3 * CUTS
    boxes = sorted(ndimage.find_objects(labels), key=lambda box: box[0].start // 100)
    grey = np.asarray(picture)[..., 0].astype(float)
    rows = [boxes[row * CUTS : (row + 1) * CUTS] for row in range(3)]
    return [[grey[box] for box in sorted(row, key=lambda box: box[1].start)] for row in rows]


def bright_half(head, axis):
    """An image that is bright on the right (0), front (1) or top (2) of the brain."""
    index = np.moveaxis(np.indices(head.array.shape), 0, -1)
    position = index @ head.affine[axis, :3] + head.affine[axis, 3]
    return np.where(position > 0, 100.0, 1.0)


@pytest.mark.parametrize("orientation", ["LPS", "PIR", "SAL"])
def test_the_picture_does_not_depend_on_the_arrays_orientation(orientation):
    expected, found = (picture_of(make_head(codes, noise=0.0)) for codes in ("RAS", orientation))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize(
    ("axis", "row", "side"),
    [(0, 0, "left"), (0, 1, "left"), (1, 0, "top"), (1, 2, "left"), (2, 1, "top"), (2, 2, "top")],
)
def test_right_and_nose_are_at_the_left_and_the_top_is_up(axis, row, side):
    head = make_head("LPS")
    picture = picture_of(head, bright_half(head, axis))
    for tile in tiles(picture)[row]:
        seen = tile if side == "left" else tile.T
        middle = seen.shape[1] // 2
        assert seen[:, : middle - 3].mean() > 100 + seen[:, middle + 3 :].mean()


@pytest.mark.parametrize(("axis", "row"), [(2, 0), (1, 1)])
def test_cuts_run_upwards_and_forwards(axis, row):
    head = make_head("LPS")
    picture = picture_of(head, bright_half(head, axis))
    brightness = [tile.mean() for tile in tiles(picture)[row]]
    assert max(brightness[: CUTS // 2]) + 100 < min(brightness[CUTS // 2 :])


def test_pixels_are_square_whatever_the_voxels():
    spacings = (2.0, 2.0, 2.0), (1.5, 2.0, 4.0)
    sizes = [picture_of(make_head("RAS", spacing)).size for spacing in spacings]
    assert np.abs(np.subtract(*sizes)).max() <= CUTS * SIZE_TOLERANCE_PIXELS
    across = CUTS * (2 * 84 + 2 * MARGIN_MM) / PIXEL_MM  # the brain's length, six times
    assert sizes[0][0] == pytest.approx(across, rel=0.1)


def test_the_outline_is_one_pixel_wide_and_there_is_none_of_an_empty_mask():
    head = make_head()
    outline = outline_pixels(picture_of(head))
    blocks = outline[:-1, :-1] & outline[1:, :-1] & outline[:-1, 1:] & outline[1:, 1:]
    assert outline.sum() > 18 * 300
    assert not blocks.any()
    whole = picture_of(head, mask=np.zeros_like(head.brain_mask))
    assert not outline_pixels(whole).any()
    assert whole.width > CUTS * head.array.shape[1] * 2 / PIXEL_MM  # the field of view


def test_nan_is_drawn_black():
    head = make_head()
    array = head.array.copy()
    array[head.array < 10] = np.nan
    array[0, 0, 0] = np.inf
    picture = np.asarray(picture_of(head, array))
    assert picture.std() > 20
    assert tuple(picture[0, 0]) == BACKGROUND


def test_the_green_below_an_outline_is_still_the_scans():
    head = make_head(noise=0.0)
    stated = np.full(head.array.shape, 0.8, dtype=np.float32)
    plain, coloured = (
        np.asarray(picture_of(head, confidence=confidence))[60:] for confidence in (None, stated)
    )
    outline = colours_are(plain, OUTLINE)
    np.testing.assert_array_equal(plain[..., 1], coloured[..., 1])
    assert len(np.unique(plain[outline][:, 1])) > 5
    beside = ndimage.binary_dilation(outline) & ~outline
    assert plain[outline][:, 1].mean() == pytest.approx(plain[beside][:, 1].mean(), abs=20)


def test_the_outline_has_the_colours_of_its_confidence_with_a_legend():
    pictures = []
    for orientation in ("RAS", "PIR"):
        head = make_head(orientation, noise=0.0)
        stated = np.where(bright_half(head, 1) > 1, np.float32(0.99), np.float32(0.3))
        pictures.append(np.asarray(picture_of(head, confidence=stated)))
    np.testing.assert_array_equal(*pictures)
    for colour in (RAMP[0], RAMP[-1]):
        assert colours_are(pictures[0][:50, -300:], colour).any()
        assert colours_are(pictures[0][60:], colour).sum() > 9 * 250
    assert not colours_are(pictures[0][60:], OUTLINE).any()


def opened(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")).astype(int)


@pytest.mark.parametrize("has_confidence", [False, True])
def test_the_thumbnail_shows_one_cut_of_each_plane_with_its_outline(tmp_path, has_confidence):
    head = make_head("RAS", (4.0, 4.0, 4.0))
    stated = np.linspace(0, 1, head.array.size, dtype=np.float32).reshape(head.array.shape)
    confidence = stated if has_confidence else None  # some of its colours are nearly grey
    picture = picture_of(head, confidence=confidence)
    save_qc(picture, tmp_path / "qc.png")
    text = read_thumbnail(tmp_path / "qc.png")
    assert text == picture.info[THUMBNAIL]
    assert len(text) < LARGEST_THUMBNAIL
    pixels = opened(text)
    height, width, _ = pixels.shape
    assert height == THUMBNAIL_HEIGHT
    assert 2 * height < width < 4 * height  # three cuts, about square, nothing between them
    is_outline = pixels[..., 0] - pixels[..., 2] > ORANGE
    thirds = np.array_split(is_outline, 3, axis=1)
    assert all(20 < third.sum() < 0.2 * third.size for third in thirds)


def test_a_picture_without_a_thumbnail_is_shown_whole(tmp_path):
    Image.new("RGB", (300, 100), (200, 200, 200)).save(tmp_path / "other.png")
    pixels = opened(read_thumbnail(tmp_path / "other.png"))
    assert pixels.shape == (THUMBNAIL_HEIGHT, 3 * THUMBNAIL_HEIGHT, 3)
    assert abs(pixels[40, 100] - 200).max() < 12


@pytest.mark.parametrize("content", [None, b"", b"nothing", b"\x89PNG\r\n\x1a\n cut off", "script"])
def test_without_a_picture_and_of_what_could_end_the_script_around_it_there_is_no_thumbnail(
    tmp_path, content
):
    if content == "script":
        picture = Image.new("RGB", (30, 10))
        picture.info[THUMBNAIL] = "</script>"
        save_qc(picture, tmp_path / "bad.png")
    elif content is not None:
        (tmp_path / "bad.png").write_bytes(content)
    assert read_thumbnail(tmp_path / "bad.png") == ""
