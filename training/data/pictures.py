"""Small pictures of scans with mask outlines, and pages of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from skullstrip.figures.qc import BACKGROUND, GAP, TEXT
from skullstrip.grid.orientation import reorient_to_ras
from skullstrip.grid.volume import Volume

if TYPE_CHECKING:
    from PIL.Image import Image

Colour = tuple[int, int, int]
TILE = 160  # pixels a side
CAPTION = 16  # pixels above a row
TRUTH: Colour = (90, 220, 120)
PREDICTED: Colour = (255, 80, 70)


def scan_row(volume: Volume, masks: Mapping[Colour, np.ndarray], caption: str) -> Image:
    """Draw a sagittal, a coronal and an axial slice with outlines of masks under a caption.

    Later masks are drawn over earlier ones. The slices pass through the largest error of the last
    mask against the first, or through the middle where these agree.
    """
    from PIL import Image, ImageDraw

    ras, orientation = reorient_to_ras(volume)
    turned = {colour: orientation.apply(mask) for colour, mask in masks.items()}
    first, *_, last = (*turned.values(), *turned.values())
    place = place_of_largest_error(last, first)
    finite = ras.array[np.isfinite(ras.array)]
    low, high = np.percentile(finite, (1, 99.5)) if finite.size else (0.0, 1.0)
    row = Image.new("RGB", (3 * TILE + 2 * GAP, CAPTION + TILE), BACKGROUND)
    for axis in range(3):
        plane = np.take(ras.array, place[axis], axis)
        grey = np.clip((plane - low) / (high - low or 1), 0, 1)
        inside = {colour: np.take(mask, place[axis], axis) for colour, mask in turned.items()}
        tile = _tile(grey, inside, np.delete(ras.spacing_mm, axis))
        left, top = ((TILE - side) // 2 for side in tile.size)
        row.paste(tile, (axis * (TILE + GAP) + left, CAPTION + top))
    ImageDraw.Draw(row).text((2, 2), caption, fill=TEXT)
    return row


def page(rows: Sequence[Image], columns: int) -> Image:
    """Lay rows, one at least, out on one page, left to right and down."""
    from PIL import Image

    columns = min(columns, len(rows))
    width, height = rows[0].width + GAP, rows[0].height + GAP
    lines = -(-len(rows) // columns)
    sheet = Image.new("RGB", (columns * width + GAP, lines * height + GAP), BACKGROUND)
    for index, row in enumerate(rows):
        line, column = divmod(index, columns)
        sheet.paste(row, (GAP + column * width, GAP + line * height))
    return sheet


def place_of_largest_error(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the voxel deepest inside the disagreement of two masks; the middle if they agree."""
    wrong = predicted != truth
    if wrong.any():
        depth = ndimage.distance_transform_cdt(np.pad(wrong, 1))
        return np.array(np.unravel_index(depth.argmax(), depth.shape)) - 1
    middle = ndimage.center_of_mass(truth if truth.any() else np.ones_like(truth))
    return np.rint(middle).astype(int)


def _tile(grey: np.ndarray, masks: Mapping[Colour, np.ndarray], spacing: np.ndarray) -> Image:
    """Scale one slice to square pixels, first axis to the right and second axis up."""
    import PIL.Image

    sides = np.array(grey.shape) * spacing
    size = tuple(max(1, round(side)) for side in sides * (TILE / sides.max()))

    def scaled(values: np.ndarray) -> Image:
        upright = np.ascontiguousarray(np.nan_to_num(values * 255).T[::-1], dtype=np.uint8)
        return PIL.Image.fromarray(upright).resize(size, PIL.Image.Resampling.BILINEAR)

    pixels = np.array(scaled(grey).convert("RGB"))
    for colour, mask in masks.items():
        inside = np.array(scaled(mask)) >= 128
        pixels[inside & ~ndimage.binary_erosion(inside)] = colour
    return PIL.Image.fromarray(pixels)
