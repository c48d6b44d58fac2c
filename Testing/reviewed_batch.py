"""A small output folder as `skullstrip batch` leaves it, to be looked through."""

import numpy as np

from skullstrip.batch.records import COLUMNS, sha256_of
from skullstrip.batch.report_page import write_csv
from skullstrip.io.images import read_image, write_mask
from Testing.image_files import save
from Testing.phantoms import make_head

REASON = "The border is unsure at its base; look at the outline."
# a passes; d is listed once somebody rejects it
VERDICTS = {"a": "pass", "b": "check", "deep/c": "fail", "d": "pass"}
PLACES = {"b": "; -4.5 10.0 12.0"}


def make_batch(folder):
    """Write scans, oblique ones, and their masks; returns the path of results.csv."""
    out = folder / "out"
    rows = [_done(name, folder / "in", out) for name in VERDICTS]
    failed = dict.fromkeys(COLUMNS, "") | {"name": "e", "path": "/e.nii", "status": "failed"}
    return write_csv([*rows, failed], out)


def _done(name, scans, out):
    head = make_head("LAS", (5.0, 5.5, 6.0), oblique_degrees=10)
    path, mask = scans / f"{name}.nii.gz", out / f"{name}_brain_mask.nii.gz"
    for file in (path, mask):
        file.parent.mkdir(parents=True, exist_ok=True)
    save(path, head.array.astype(np.int16), head.affine)
    write_mask(mask, read_image(path), head.brain_mask)
    verdict = VERDICTS[name]
    return dict.fromkeys(COLUMNS, "") | {
        "name": name,
        "path": str(path),
        "status": "done",
        "verdict": verdict,
        "reasons": "" if verdict == "pass" else f"It is rough.; {REASON}",
        "places": PLACES.get(name, ""),
        "volume_error_ml": "14.0",
        "keep_csf": name != "b",
        "brain_mask": f"{name}_brain_mask.nii.gz",
        "mask_sha256": sha256_of(mask),
    }
