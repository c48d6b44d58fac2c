"""Scans and label maps as compact archives, so that training starts in seconds.

Intensities go through the library's own preprocessing; only resampling is left to the sampler,
which draws slices at random spacings.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from skullstrip.errors import InputError
from skullstrip.grid.orientation import reorient_to_ras
from skullstrip.grid.volume import Volume
from skullstrip.prepare.preprocess import normalise

from .dataset import find_pairs
from .label_codes import head_box, recode
from .pair import Pair, read_pair
from .provenance import describe_pair
from .sources import DATA_NAME, Source, save_source


def source_from_pair(pair: Pair) -> Source:
    """Read a scan or label map with its mask, and bring both to RAS+.

    Raises
    ------
    InputError
        A file cannot be read, the two are not on one grid, or the mask is empty.
    """
    image, mask = read_pair(pair)
    if not mask.any():
        raise InputError(f"The mask of {pair.name} is empty; correct it or leave the scan out.")
    ras_mask = reorient_to_ras(Volume(mask, image.affine))[0].array
    names: tuple[str, ...] = ()
    if pair.is_label_map:
        ras = reorient_to_ras(image)[0]
        box = head_box(ras.array)
        ras_mask = ras_mask[box]
        voxels, names = recode(ras.array[box].astype(np.int32), ras_mask, ras.spacing_mm)
    else:
        ras = normalise(image)[0]
        voxels = np.rint(ras.array * 255).astype(np.uint8)
    return Source(
        subject=pair.name,
        split=pair.split,
        voxels=np.ascontiguousarray(voxels),
        mask=ras_mask.astype(np.uint8) * np.uint8(255),
        spacing_mm=ras.spacing_mm.astype(np.float32),
        names=names,
        age_group=dict(pair.groups).get("age_group", ""),
    )


def main(argv: list[str] | None = None) -> int:
    """Command line: DATA... OUT."""
    parser = argparse.ArgumentParser(prog="python -m training prepare", description=__doc__)
    parser.add_argument(
        "data", type=Path, nargs="+", help="folders of pairs, BIDS data sets or CSV manifests"
    )
    parser.add_argument("output", type=Path, help="folder for the archives")
    arguments = parser.parse_args(argv)
    arguments.output.mkdir(parents=True, exist_ok=True)
    pairs = find_pairs(*arguments.data)
    for index, pair in enumerate(pairs):
        path = save_source(source_from_pair(pair), arguments.output)
        print(f"{index + 1}/{len(pairs)} {path.name}", flush=True)
    described = json.dumps([describe_pair(pair) for pair in pairs], indent=1)
    (arguments.output / DATA_NAME).write_text(described + "\n", encoding="utf-8")
    return 0
