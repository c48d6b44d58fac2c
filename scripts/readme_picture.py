"""Draw the README's picture from the results of `make demo`: the scan, its mask, the brain."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from SkullStripLib.geometry import reorient_to_ras
from SkullStripLib.io import read_image
from SkullStripLib.manifest import Preprocessing
from SkullStripLib.preprocess import normalise
from SkullStripLib.volume import Volume

if TYPE_CHECKING:
    from PIL.Image import Image

PANEL = (300, 330)  # pixels
GAMMA = 0.7  # lightens the dark brain of a scan with bright fat
ORANGE = np.array([255, 112, 40])
CAPTIONS = ("T1-weighted head", "brain_mask", "brain")
OUTPUT = Path("Resources/Screenshots/strip.png")


def main() -> None:
    """Read the scan and its mask, draw three panels, save them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path)
    parser.add_argument("mask", type=Path)
    options = parser.parse_args()
    scan, mask = (as_volume(path) for path in (options.scan, options.mask))
    grey = normalise(scan, Preprocessing())[0].array
    inside = reorient_to_ras(mask)[0].array > 0
    spacing_mm = reorient_to_ras(scan)[0].spacing_mm
    middle = int(np.flatnonzero(inside.any(axis=(1, 2))).mean()) + 8
    panels = draw(grey[middle], inside[middle])
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    page(panels, spacing_mm[1:]).save(OUTPUT, optimize=True)


def as_volume(path: Path) -> Volume:
    """An image file as a volume."""
    image = read_image(path)
    return Volume(image.array, image.affine)


def draw(grey: np.ndarray, inside: np.ndarray) -> list[np.ndarray]:
    """Three RGB pictures (Y, Z, 3) of one sagittal slice: as it is, outlined, stripped."""
    plain = np.repeat((grey**GAMMA * 255)[..., None], 3, axis=2)
    outlined = plain.copy()
    outlined[inside] = 0.75 * plain[inside] + 0.25 * ORANGE
    outlined[inside & ~ndimage.binary_erosion(inside)] = ORANGE
    return [plain, outlined, plain * inside[..., None]]


def page(panels: list[np.ndarray], spacing_mm: np.ndarray) -> Image:
    """The panels side by side with captions, nose to the left, square millimetres."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = PANEL
    sheet = Image.new("RGB", (3 * width, height + 28), "black")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for index, (panel, caption) in enumerate(zip(panels, CAPTIONS, strict=True)):
        upright = panel.transpose(1, 0, 2)[::-1, ::-1].astype(np.uint8)
        size = np.array(upright.shape[1::-1]) * spacing_mm
        scale = min(width / size[0], height / size[1])
        pixels = (round(float(size[0] * scale)), round(float(size[1] * scale)))
        fitted = Image.fromarray(upright).resize(pixels, Image.Resampling.LANCZOS)
        sheet.paste(fitted, (index * width + (width - fitted.width) // 2, 0))
        pen.text((index * width + width / 2, height + 13), caption, "white", font, anchor="mm")
    return sheet


if __name__ == "__main__":
    main()
