"""Write the brain mask of every scan of a folder or data set, under the scan's name."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from skullstrip.cli.common import add_method_options, method_options
from skullstrip.errors import Cancelled, SkullStripError
from skullstrip.files import strip_file
from skullstrip.pipeline import load_engine

from ..data.dataset import find_pairs, images_in, select_split


def images_to_predict(data: Path, split: str) -> dict[str, Path]:
    """Name every scan: all images of a folder, or those of a data set's split."""
    found = images_in(data) if data.is_dir() and split == "all" else {}
    scans = {stem: path for stem, path in found.items() if not stem.endswith("mask")}
    if scans:  # a folder of scans, whether or not some have masks
        return {stem.removesuffix("_T1w"): path for stem, path in scans.items()}
    pairs = select_split(find_pairs(data), split)
    return {pair.name: pair.image for pair in pairs if not pair.is_label_map}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="folder of images, or a data set")
    parser.add_argument("out", type=Path, help="folder for <name>_mask.nii.gz")
    parser.add_argument("--split", default="all", help="split of the data set; default: all")
    parser.add_argument("--overwrite", action="store_true", help="predict finished scans again")
    add_method_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the masks that are not there yet; exit status 1 where a scan failed."""
    images, out = images_to_predict(arguments.data, arguments.split), arguments.out
    out.mkdir(parents=True, exist_ok=True)
    options = method_options(arguments)
    options = replace(options, engine=load_engine(options))
    failed = 0
    for number, (name, path) in enumerate(images.items(), 1):
        target = out / f"{name}_mask.nii.gz"
        if target.exists() and not arguments.overwrite:
            continue
        try:
            found = strip_file(path, options, mask=target)
            print(f"{number}/{len(images)} {target.name}: {found.volume_ml:.0f} mL", flush=True)
        except Cancelled:
            raise
        except SkullStripError as error:
            failed += 1
            print(f"{number}/{len(images)} {name} failed: {error}", flush=True)
    print(f"{len(images) - failed} of {len(images)} masks in {out}")
    return 1 if failed else 0
