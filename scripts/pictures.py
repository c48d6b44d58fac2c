"""Draw what README, docs and Slicer's Sample Data module show, from one scan: Slicer's MRHead.

`python -m scripts.pictures MRHead.nrrd` strips it and writes the pictures of `TARGETS`. Every panel
is what the pipeline made at that step; nothing is drawn by hand.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from skullstrip.grid.orientation import reorient_to_ras
from skullstrip.grid.volume import Volume
from skullstrip.io.images import read_image
from skullstrip.mask.postprocess import solid_mask
from skullstrip.network.brain_region import BrainRegion, find_brain_region
from skullstrip.network.engines import create_engine
from skullstrip.network.manifest import load_manifest
from skullstrip.network.predict import VIEWS, predict_head
from skullstrip.prepare.preprocess import normalise, prepare, restore

if TYPE_CHECKING:
    from PIL.Image import Image

TARGETS = {
    "strip": Path("Resources/Screenshots/strip.png"),
    "pipeline": Path("docs/pipeline.png"),
    "thumbnail": Path("SkullStrip/Resources/Icons/SkullStripMRHead.png"),
}
GAMMA = 0.75  # lightens the brain of a scan with bright fat
ORANGE = np.array([255.0, 112.0, 40.0])
BACKGROUND = (16, 17, 20)
CASCADE = (-4, 0, 4)  # predicted slices from the middle one, drawn behind each other
SHIFT = 22  # pixels from one of them to the next


@dataclass(frozen=True)
class Steps:
    """What the pipeline made of a scan, step by step."""

    raw: np.ndarray  # as it came
    scan: np.ndarray  # this and the next two on the scan's grid with its axes turned to RAS+
    probability: np.ndarray
    mask: np.ndarray
    spacing_mm: np.ndarray  # of that grid
    head: np.ndarray  # what the network saw at 1 mm
    found: np.ndarray  # what it said
    region: BrainRegion  # from the coarse pass


def main() -> None:
    """Strip the scan and write every picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path)
    out_help = "folder for them; default: this one, the repository"
    parser.add_argument("--out", type=Path, default=Path(), help=out_help)
    arguments = parser.parse_args()
    steps = run(arguments.scan)
    pictures = {
        "strip": row(before_and_after(steps), (300, 310), gap=0),
        "pipeline": row(pipeline(steps), (230, 236), gap=26),
        "thumbnail": row({"": before_and_after(steps)["mask"]}, (260, 280), gap=0, caption=0),
    }
    for name, picture in pictures.items():
        target = arguments.out / TARGETS[name]
        target.parent.mkdir(parents=True, exist_ok=True)
        picture.quantize(192).save(target, optimize=True)


def run(path: Path) -> Steps:
    """Take the steps of `extract_brain`, keeping what each of them made."""
    image = read_image(path)
    volume = Volume(image.array, image.affine)
    manifest, weights = load_manifest()
    settings = manifest.preprocessing
    engine = create_engine("auto", manifest, weights, "cpu", None)
    prepared = prepare(volume, settings.spacing_mm)
    region = find_brain_region(prepared.head, settings.spacing_mm, engine.predict)
    if region is None:
        raise SystemExit(f"The coarse pass found no brain in {path}; give Slicer's MRHead.")
    found = predict_head(prepared.head, engine.predict, region=region).probability
    probability = restore(found, prepared)
    mask = solid_mask(probability)
    scan = normalise(volume)[0]
    return Steps(
        raw=image.array,
        scan=scan.array,
        probability=reorient_to_ras(Volume(probability, image.affine))[0].array,
        mask=reorient_to_ras(Volume(mask, image.affine))[0].array,
        spacing_mm=scan.spacing_mm,
        head=prepared.head,
        found=found,
        region=region,
    )


def before_and_after(steps: Steps) -> dict[str, Image]:
    """Return the scan, its mask and the brain, one sagittal slice."""
    x = int(np.flatnonzero(steps.mask.any(axis=(1, 2))).mean()) + 8
    grey, inside, spacing_mm = grey_of(steps.scan[x]), steps.mask[x], steps.spacing_mm[1:]
    panels = {
        "T1-weighted head": grey,
        "mask": outlined(shaded(grey, inside * 0.25), inside),
        "brain": grey * inside[..., None],
    }
    return {caption: upright(panel, spacing_mm) for caption, panel in panels.items()}


def pipeline(steps: Steps) -> dict[str, Image]:
    """One panel a step, from the file to the mask."""
    x = int(np.flatnonzero(steps.found.max(axis=(1, 2)) > 0.5).mean()) + 8
    own_x = round(x / len(steps.head) * len(steps.scan))
    window = steps.region.window(0, x, x + 1)
    grey, inside = grey_of(steps.scan[own_x]), steps.mask[own_x]
    own_mm, one_mm = steps.spacing_mm[1:], np.ones(2)
    return {
        "1  the file, as it came": upright(as_stored(steps.raw), one_mm, turn=False),
        "2  turned, scaled, 1 mm, cut": upright(grey_of(steps.head[x]), one_mm),
        "3  a coarse look for the brain": upright(coarse_look(steps, x, window), one_mm),
        "4  every third slice, in windows": cascade(steps, x, window),
        "5  back on the scan's grid": upright(shaded(grey, steps.probability[own_x] * 0.6), own_mm),
        "6  mask": upright(outlined(grey, inside), own_mm),
    }


def as_stored(raw: np.ndarray) -> np.ndarray:
    """Return the middle slice of the axis with the fewest voxels, as in the file."""
    middle = np.moveaxis(raw, int(np.argmin(raw.shape)), 0)[min(raw.shape) // 2].astype(float)
    return grey_of(np.clip(middle / np.percentile(middle, 99.5), 0, 1))


def coarse_look(steps: Steps, x: int, window: tuple[slice, slice]) -> np.ndarray:
    """Draw the head with the blocks that the coarse pass took for brain, and their window."""
    region = steps.region
    blocks = region.blocks[x // region.block[0]].astype(float)
    large = np.kron(blocks, np.ones(region.block[1:]))[: region.shape[1], : region.shape[2]]
    padded = np.zeros(region.shape[1:])
    padded[: large.shape[0], : large.shape[1]] = large
    frame = np.zeros(region.shape[1:], dtype=bool)
    frame[window] = True
    return outlined(shaded(grey_of(steps.head[x]), padded * 0.45), frame)


def cascade(steps: Steps, x: int, window: tuple[slice, slice]) -> Image:
    """Predicted slices behind each other, each with what the network said."""
    from PIL import Image

    panels = []
    for index in CASCADE:
        at = x + index * VIEWS[1].step
        seen = shaded(grey_of(steps.head[at][window]), steps.found[at][window] * 0.6)
        seen[[0, -1]] = seen[:, [0, -1]] = 150.0
        panels.append(upright(seen, np.ones(2)))
    room = SHIFT * (len(panels) - 1)
    sheet = Image.new("RGB", (panels[0].width + room, panels[0].height + room), BACKGROUND)
    for index, panel in enumerate(panels):
        sheet.paste(panel, (SHIFT * index, SHIFT * index))
    return sheet


def grey_of(values: np.ndarray) -> np.ndarray:
    """RGB of intensities in [0, 1]."""
    return np.repeat((np.clip(values, 0, 1) ** GAMMA * 255)[..., None], 3, axis=-1)


def shaded(picture: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Return a picture with orange over it, as strong as given, 0 to 1."""
    return picture * (1 - strength[..., None]) + ORANGE * strength[..., None]


def outlined(picture: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return a picture with the border of a mask in orange."""
    drawn = picture.copy()
    drawn[ndimage.binary_dilation(inside) & ~ndimage.binary_erosion(inside)] = ORANGE
    return drawn


def upright(picture: np.ndarray, spacing_mm: np.ndarray, turn: bool = True) -> Image:
    """Return an image with square pixels; one of (Y, Z) is turned upright, nose to the left."""
    from PIL import Image

    pixels = picture.transpose(1, 0, 2).astype(np.uint8)
    if turn:
        pixels = pixels[::-1, ::-1]
    sides_mm = np.array(pixels.shape[1::-1]) * spacing_mm
    width, height = (round(float(side) * 2) for side in sides_mm)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)


def row(panels: dict[str, Image], size: tuple[int, int], gap: int, caption: int = 30) -> Image:
    """Panels side by side over their captions, with arrows in the gaps."""
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    width, height = size
    total = len(panels) * (width + gap) - gap
    sheet = Image.new("RGB", (total, height + caption), BACKGROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for index, (text, panel) in enumerate(panels.items()):
        left = index * (width + gap)
        fitted = ImageOps.contain(panel, (width, height), Image.Resampling.LANCZOS)
        sheet.paste(fitted, (left + (width - fitted.width) // 2, (height - fitted.height) // 2))
        if text:
            middle = (left + width / 2, height + caption / 2)
            pen.text(middle, text, "white", font, anchor="mm")
        if gap and index:
            tip, y = left - gap // 2 + 7, height // 2
            pen.polygon([(tip - 13, y - 9), (tip, y), (tip - 13, y + 9)], fill=(146, 149, 158))
    return sheet


if __name__ == "__main__":
    main()
