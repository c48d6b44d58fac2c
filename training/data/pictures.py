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


def scan_row(
    volume: Volume,
    outlines: Mapping[Colour, np.ndarray],
    caption: str,
    centre: Sequence[int] | None = None,
) -> Image:
    """Draw a sagittal, a coronal and an axial slice with outlines of masks under a caption.

    Later masks are drawn over earlier ones. The slices pass through the voxel `centre`, by default
    the middle of the first mask, or of the field of view.
    """
    from PIL import Image, ImageDraw

    ras, orientation = reorient_to_ras(volume)
    masks = {colour: orientation.apply(mask) for colour, mask in outlines.items()}
    marker = np.zeros(volume.array.shape, dtype=bool)
    marker[tuple(_middle(next(iter(outlines.values()))) if centre is None else centre)] = True
    point = np.argwhere(orientation.apply(marker))[0]
    low, high = _window(ras.array)
    row = Image.new("RGB", (3 * TILE + 2 * GAP, CAPTION + TILE), BACKGROUND)
    for axis in range(3):
        cut: list[slice | int] = [slice(None)] * 3
        cut[axis] = int(point[axis])
        plane = np.clip((ras.array[tuple(cut)] - low) / (high - low), 0, 1)
        inside = {colour: mask[tuple(cut)] for colour, mask in masks.items()}
        tile = _tile(plane, inside, np.delete(ras.spacing_mm, axis))
        row.paste(tile, (axis * (TILE + GAP), CAPTION))
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


def place_of_largest_error(predicted: np.ndarray, truth: np.ndarray) -> tuple[int, ...]:
    """Return the voxel deepest inside the disagreement of two masks; the middle if they agree."""
    wrong = predicted != truth
    if not wrong.any():
        return _middle(truth)
    depth = ndimage.distance_transform_cdt(np.pad(wrong, 1))[1:-1, 1:-1, 1:-1]
    return tuple(int(i) for i in np.unravel_index(depth.argmax(), depth.shape))


def _middle(mask: np.ndarray) -> tuple[int, ...]:
    if not mask.any():
        return tuple(size // 2 for size in mask.shape)
    return tuple(round(index) for index in ndimage.center_of_mass(mask))


def _window(array: np.ndarray) -> tuple[float, float]:
    finite = array[np.isfinite(array)]
    low, high = np.percentile(finite, [1, 99.5]) if finite.size else (0.0, 1.0)
    return float(low), float(high if high > low else low + 1)


def _tile(plane: np.ndarray, masks: Mapping[Colour, np.ndarray], spacing: np.ndarray) -> Image:
    """Scale one slice to square pixels, first axis to the right and second axis up."""
    import PIL.Image

    extent = np.array(plane.shape) * spacing
    size = tuple(max(1, round(side)) for side in extent * (TILE / extent.max()))

    def scaled(values: np.ndarray) -> Image:
        upright = np.ascontiguousarray(values.T[::-1]).astype(np.uint8)
        return PIL.Image.fromarray(upright).resize(size, PIL.Image.Resampling.BILINEAR)

    pixels = np.array(scaled(np.nan_to_num(plane) * 255).convert("RGB"))
    for colour, mask in masks.items():
        inside = np.array(scaled(mask * np.uint8(255))) >= 128
        pixels[inside & ~ndimage.binary_erosion(inside)] = colour
    tile = PIL.Image.new("RGB", (TILE, TILE), BACKGROUND)
    tile.paste(PIL.Image.fromarray(pixels), tuple((TILE - side) // 2 for side in size))
    return tile
