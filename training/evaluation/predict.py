"""Write the brain mask of every scan of a folder or data set, under the scan's name."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from skullstrip.cli.common import add_method_options, method_options
from skullstrip.errors import Cancelled, SkullStripError
from skullstrip.files import strip_file
from skullstrip.options import Options
from skullstrip.pipeline import load_engine

from ..data.dataset import find_pairs, select_split
from ..data.layouts import images_in

MASK_ENDING = "_mask.nii.gz"


def images_to_predict(data: Path, split: str) -> dict[str, Path]:
    """Name every scan: all images of a folder, or those of a data set's split."""
    found = images_in(data) if data.is_dir() and split == "all" else {}
    scans = {stem: path for stem, path in found.items() if not stem.endswith("mask")}
    if scans:  # a folder of scans, whether or not some have masks
        return {stem.removesuffix("_T1w"): path for stem, path in scans.items()}
    pairs = find_pairs(data)
    return {pair.name: pair.image for pair in select_split(pairs, split) if not pair.is_label_map}


def predict(
    images: dict[str, Path], out: Path, options: Options, *, overwrite: bool = False
) -> dict[str, str]:
    """Write ``<name>_mask.nii.gz`` for every image; finished ones are left as they are.

    Returns
    -------
    dict of str to str
        Why it failed, for every image that did.
    """
    out.mkdir(parents=True, exist_ok=True)
    loaded = replace(options, engine=load_engine(options))
    failures = {}
    for number, (name, path) in enumerate(images.items(), 1):
        target = out / f"{name}{MASK_ENDING}"
        if target.exists() and not overwrite:
            continue
        try:
            found = strip_file(path, loaded, mask=target)
            print(f"{number}/{len(images)} {target.name}: {found.volume_ml:.0f} mL", flush=True)
        except Cancelled:
            raise
        except SkullStripError as error:
            failures[name] = str(error)
            print(f"{number}/{len(images)} {name} failed: {error}", flush=True)
    return failures


def main(argv: list[str] | None = None) -> int:
    """Predict the masks of a folder; exit status 1 where a scan failed."""
    parser = argparse.ArgumentParser("python -m training predict", description=__doc__)
    parser.add_argument("data", type=Path, help="folder of images, or a data set")
    parser.add_argument("out", type=Path, help="folder for <name>_mask.nii.gz")
    parser.add_argument("--split", default="all", help="split of the data set; default: all")
    parser.add_argument("--overwrite", action="store_true", help="predict finished scans again")
    add_method_options(parser)
    arguments = parser.parse_args(argv)
    images = images_to_predict(arguments.data, arguments.split)
    options = method_options(arguments)
    failures = predict(images, arguments.out, options, overwrite=arguments.overwrite)
    print(f"{len(images) - len(failures)} of {len(images)} masks in {arguments.out}")
    return 1 if failures else 0
