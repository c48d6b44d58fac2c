"""A picture to judge a mask by: its outline over slices in three planes, and a small one of it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import ndimage

from ..grid.orientation import reorient_to_ras
from ..grid.regions import bounding_box
from ..grid.volume import Volume
from ..io.limits import require_regular

if TYPE_CHECKING:
    from PIL.Image import Image

CUTS = 6
PIXEL_MM = 0.75
MARGIN_MM = 20.0  # around the brain: enough to see what was left out
GAP = 8  # pixels between tiles
HEADER = 56  # pixels above the first row
LABEL = 26  # pixels above each row
BACKGROUND = (16, 17, 20)
TEXT = (232, 232, 236)
FAINT_TEXT = (146, 149, 158)
# An outline is red and blue alone: the green of its pixels stays the scan's, so that the report
# page can hide it by showing green as grey. The ramp, from unsure to sure, is told apart whatever
# colours one sees.
OUTLINE = (255, 20)
RAMP = ((255, 0), (255, 170), (140, 255))
GREEN = 112  # where there is no scan below: legend and thumbnail
# Confidence around the outline: on the surface itself, no network is sure.
AROUND_MM = 9.0
UNSURE, SURE = 0.60, 0.92
LEGEND = (180, 12)  # pixels
THUMBNAIL = "SkullStrip thumbnail"  # the PNG's text that holds it: WebP in base64
THUMBNAIL_HEIGHT = 84  # pixels; shown at half of it, so that it is sharp on dense screens
THUMBNAIL_QUALITY = 45
FAINT = 0.15  # of a shrunken pixel: less outline than this in it is not drawn


class _Plane(NamedTuple):
    """One row of the picture: which RAS axes run through the cuts, across and up.

    As in 3D Slicer, the patient's right is at the viewer's left, and so is the nose in sagittal
    cuts: `across` always runs against its axis.
    """

    label: str
    depth: int
    across: int
    up: int
    left: str
    right: str


class _Tile(NamedTuple):
    """One cut, RGB uint8 on square pixels, and where the mask's outline runs in it."""

    pixels: np.ndarray
    outline: np.ndarray


_PLANES = (
    _Plane("Axial, bottom to top", 2, 0, 1, "R", "L"),
    _Plane("Coronal, back to front", 1, 0, 2, "R", "L"),
    _Plane("Sagittal, left to right", 0, 1, 2, "A", "P"),
)


def qc_picture(
    array: np.ndarray,
    affine: np.ndarray,
    brain_mask: np.ndarray,
    title: str,
    brain_confidence: np.ndarray | None = None,
) -> Image:
    """Draw the mask's outline over evenly spaced slices, one row a plane; RGB, pixels of 0.75 mm.

    Scan, mask (bool; of an empty one the whole field of view is shown) and confidence have one
    shape, (I, J, K); the affine leads from voxel index to RAS+ mm. The confidence, float32, colours
    the outline by its mean in 9 mm around, with a legend; without it the outline is orange. The
    green of its pixels is the scan's. The picture's `info` holds the thumbnail.
    """
    scan, orientation = reorient_to_ras(Volume(array, affine))
    mask = orientation.apply(brain_mask)
    confidence = None if brain_confidence is None else orientation.apply(brain_confidence)
    brain, shown = _bounds(mask, np.zeros(3)), _bounds(mask, MARGIN_MM / scan.spacing_mm)
    pixels = tuple(map(_pixels, shown, scan.spacing_mm, mask.shape))
    low, high = _window(scan.array, mask)

    def tile(plane: _Plane, depth: int) -> _Tile:
        def sample(volume: np.ndarray) -> np.ndarray:
            cut = np.moveaxis(volume, plane.depth, 0)[depth].astype(np.float32)
            cut = np.nan_to_num(cut if plane.up < plane.across else cut.T, posinf=0.0)
            return pixels[plane.up] @ cut @ pixels[plane.across].T

        grey = np.clip((sample(scan.array) - low) / (high - low), 0.0, 1.0)
        drawn = np.repeat((255 * grey**0.9).astype(np.uint8)[..., None], 3, axis=2)
        inside = sample(mask) >= 0.5
        outline = inside & ~ndimage.binary_erosion(inside)
        drawn[outline, ::2] = OUTLINE
        if confidence is not None:
            around = ndimage.uniform_filter(sample(confidence), round(AROUND_MM / PIXEL_MM))
            drawn[outline, ::2] = _red_and_blue(around[outline])
        return _Tile(drawn, outline)

    rows = []
    for plane in _PLANES:
        # The outermost cuts are well inside the brain, not on its poles.
        first, last = brain[plane.depth]
        depths = np.linspace(first, last, CUTS + 2)[1:-1].round().astype(int)
        rows.append([tile(plane, int(depth)) for depth in depths])
    page = _page(rows, title, has_legend=confidence is not None)
    page.info[THUMBNAIL] = _thumbnail([row[CUTS // 2] for row in rows])
    return page


def save_qc(picture: Image, path: Path) -> None:
    """Write a picture as PNG, with its thumbnail."""
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text(THUMBNAIL, picture.info[THUMBNAIL])
    picture.save(path, "PNG", pnginfo=texts, compress_level=3)  # a third of the time of 6


def read_thumbnail(path: Path) -> str:
    """Return a picture's thumbnail, WebP in base64: the middle cut of each plane, side by side.

    Of a picture that has none the whole is shrunk; "" where there is none that can be read.
    """
    from PIL import Image

    try:
        require_regular(path)
        with Image.open(path) as opened:
            if text := opened.info.get(THUMBNAIL):
                return base64.b64encode(base64.b64decode(text, validate=True)).decode()
            whole = np.asarray(opened.convert("RGB"))
            return _thumbnail([_Tile(whole, np.zeros(whole.shape[:2], dtype=bool))])
    except (OSError, ValueError, SyntaxError):  # Pillow raises SyntaxError for a broken PNG
        return ""


def _bounds(mask: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """First and last voxel of the mask along each axis, widened; of the array if it is empty."""
    last = np.array(mask.shape) - 1
    if not mask.any():
        return np.stack([np.zeros(3), last], axis=1)
    found = np.array([(part.start, part.stop - 1.0) for part in bounding_box(mask)])
    return np.clip(found + np.stack([-margin, margin], axis=1), 0, last[:, None])


def _window(array: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Intensities shown as black and white, chosen for the brain rather than the bright scalp."""
    values = array[mask] if mask.any() else array.ravel()
    low, high = np.percentile(values[np.isfinite(values)][::7], (0, 99.5))
    dark = np.nanpercentile(array[::4, ::4, ::4], 2)
    low = min(low, dark) if np.isfinite(dark) else low
    return float(low), float(low + 1.15 * max(high - low, 1e-12))


def _pixels(extent: np.ndarray, spacing_mm: float, length: int) -> np.ndarray:
    """Return weights of an axis' voxels in its pixels; all axes run the other way on screen."""
    first, last = extent
    places = np.linspace(last, first, max(2, round((last - first) * spacing_mm / PIXEL_MM)))
    apart = np.abs(places[:, None] - np.arange(length))
    return np.asarray(np.maximum(0, 1 - apart), dtype=np.float32)


def _thumbnail(tiles: Sequence[_Tile]) -> str:
    """Shrink tiles to one height, and draw their outlines anew, in one colour: they would fade."""
    from PIL import Image

    cuts = []
    for pixels, outline in tiles:
        height, width = outline.shape
        size = (max(1, round(width * THUMBNAIL_HEIGHT / height)), THUMBNAIL_HEIGHT)
        small, share = (
            np.array(Image.fromarray(array).resize(size, Image.Resampling.BOX))
            for array in (pixels, outline.astype(np.uint8) * np.uint8(255))
        )
        small[share > 255 * FAINT] = np.insert(OUTLINE, 1, GREEN)
        cuts.append(small)
    stream = io.BytesIO()
    page = Image.fromarray(np.concatenate(cuts, axis=1))
    page.save(stream, "WEBP", quality=THUMBNAIL_QUALITY, method=4)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _red_and_blue(confidence: np.ndarray) -> np.ndarray:
    """Red and blue of confidences, uint8, shape (n, 2)."""
    share = (confidence - UNSURE) / (SURE - UNSURE)
    stops = np.linspace(0.0, 1.0, len(RAMP))
    channels = [np.interp(share, stops, channel) for channel in zip(*RAMP, strict=True)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def _page(rows: list[list[_Tile]], title: str, has_legend: bool) -> Image:
    from PIL import Image, ImageDraw, ImageFont

    width = max(pixels.shape[1] for row in rows for pixels, _ in row)
    page_width = CUTS * width + (CUTS + 1) * GAP
    page_height = HEADER + sum(LABEL + len(row[0].pixels) + GAP for row in rows) + GAP
    page = Image.new("RGB", (page_width, page_height), BACKGROUND)
    draw = ImageDraw.Draw(page)
    draw.text((2 * GAP, 18), title, fill=TEXT, font=ImageFont.load_default(24))
    small = ImageFont.load_default(15)
    faint: dict[str, Any] = {"fill": FAINT_TEXT, "font": small}
    on_scan = {**faint, "fill": TEXT, "stroke_width": 2, "stroke_fill": BACKGROUND}
    if has_legend:
        right, middle = page_width - 2 * GAP, HEADER // 2 + 4
        left = right - LEGEND[0] - 40
        ramp = _red_and_blue(np.linspace(UNSURE, SURE, LEGEND[0]))
        bar = np.repeat(np.insert(ramp, 1, GREEN, axis=1)[None], LEGEND[1], axis=0)
        page.paste(Image.fromarray(bar), (left, middle - LEGEND[1] // 2))
        draw.text((right, middle), "sure", anchor="rm", **faint)
        draw.text((left - 8, middle), "unsure", anchor="rm", **faint)
    top = HEADER
    for plane, row in zip(_PLANES, rows, strict=True):
        draw.text((2 * GAP, top), plane.label, **faint)
        top += LABEL
        height = len(row[0].pixels)
        for column, (pixels, _) in enumerate(row):
            left = GAP + column * (width + GAP)
            page.paste(Image.fromarray(pixels), (left + (width - pixels.shape[1]) // 2, top))
            middle = top + height // 2
            draw.text((left + 4, middle), plane.left, anchor="lm", **on_scan)
            draw.text((left + width - 4, middle), plane.right, anchor="rm", **on_scan)
        top += height + GAP
    return page
